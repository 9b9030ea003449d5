"""The function ``quarantine``."""

from endpoints.quarantine.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("quarantine", router, needs=("database", "versions"))
handler = Handler(app)
