"""The function ``users``."""

from endpoints.users.routes import router
from holdfast.web.function import Handler, create_app

app = create_app(
    "users",
    router,
    needs=(
        "database",
        "versions",
    ),
)
handler = Handler(app)
