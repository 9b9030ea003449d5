"""The function ``shared_users``."""

from endpoints.shared_users.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("shared_users", router, needs=("database",))
handler = Handler(app)
