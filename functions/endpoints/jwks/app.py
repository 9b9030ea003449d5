"""The function ``jwks``."""

from endpoints.jwks.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("jwks", router)
handler = Handler(app)
