"""The function ``console``."""

from endpoints.console.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("console", router)
handler = Handler(app)
