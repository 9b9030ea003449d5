"""The function ``file``."""

from endpoints.file.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("file", router, needs=("database",))
handler = Handler(app)
