"""The function ``runs``."""

from endpoints.runs.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("runs", router, needs=("database",))
handler = Handler(app)
