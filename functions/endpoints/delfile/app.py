"""The function ``delfile``."""

from endpoints.delfile.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("delfile", router, needs=("database",))
handler = Handler(app)
