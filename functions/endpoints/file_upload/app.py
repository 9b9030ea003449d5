"""The function ``file_upload``."""

from endpoints.file_upload.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("file_upload", router, needs=("database", "objects", "versions"))
handler = Handler(app)
