"""The function ``assets``."""

from endpoints.assets.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("assets", router, needs=("database",))
handler = Handler(app)
