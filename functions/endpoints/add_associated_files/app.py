"""The function ``add_associated_files``."""

from endpoints.add_associated_files.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("add_associated_files", router, needs=("database", "objects", "versions"))
handler = Handler(app)
