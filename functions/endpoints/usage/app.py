"""The function ``usage``."""

from endpoints.usage.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("usage", router, needs=("database",))
handler = Handler(app)
