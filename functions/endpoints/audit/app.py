"""The function ``audit``."""

from endpoints.audit.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("audit", router, needs=("database",))
handler = Handler(app)
