"""The function ``uploads``."""

from endpoints.uploads.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("uploads", router, needs=("database", "objects", "versions"))
handler = Handler(app)
