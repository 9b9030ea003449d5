"""The function ``holds``."""

from endpoints.holds.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("holds", router, needs=("database",))
handler = Handler(app)
