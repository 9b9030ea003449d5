"""The function ``token_revoke``."""

from endpoints.token_revoke.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("token_revoke", router, needs=("database",))
handler = Handler(app)
