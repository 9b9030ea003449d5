"""The function ``policies_preview``."""

from endpoints.policies_preview.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("policies_preview", router, needs=("database",))
handler = Handler(app)
