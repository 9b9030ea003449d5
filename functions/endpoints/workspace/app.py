"""The function ``workspace``."""

from endpoints.workspace.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("workspace", router, needs=("database",))
handler = Handler(app)
