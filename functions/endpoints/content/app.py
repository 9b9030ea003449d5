"""The function ``content``."""

from endpoints.content.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("content", router, needs=("database", "objects-read"))
handler = Handler(app)
