"""The function ``filerestore``."""

from endpoints.filerestore.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("filerestore", router, needs=("database",))
handler = Handler(app)
