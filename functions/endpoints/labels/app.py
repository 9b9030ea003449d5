"""The function ``labels``."""

from endpoints.labels.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("labels", router, needs=("database",))
handler = Handler(app)
