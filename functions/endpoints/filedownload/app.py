"""The function ``filedownload``."""

from endpoints.filedownload.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("filedownload", router, needs=("database", "objects-read"))
handler = Handler(app)
