"""The function ``me``."""

from endpoints.me.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("me", router, needs=("database",))
handler = Handler(app)
