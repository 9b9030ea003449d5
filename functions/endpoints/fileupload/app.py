"""The function ``fileupload``."""

from endpoints.fileupload.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("fileupload", router, needs=("database", "objects", "versions"))
handler = Handler(app)
