"""The function ``filearchive``."""

from endpoints.filearchive.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("filearchive", router, needs=("database",))
handler = Handler(app)
