"""The function ``fileversions``."""

from endpoints.fileversions.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("fileversions", router, needs=("database",))
handler = Handler(app)
