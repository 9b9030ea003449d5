"""The function ``token``."""

from endpoints.token.routes import router
from holdfast.database import light
from holdfast.web.function import Handler, create_app

light.import_pymysql()

app = create_app("token", router, needs=("direct",))
handler = Handler(app)
