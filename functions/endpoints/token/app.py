"""The function ``token``."""

from endpoints.token.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("token", router, needs=("direct",))
handler = Handler(app)
