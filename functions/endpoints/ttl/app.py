"""The function ``ttl``."""

from endpoints.ttl.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("ttl", router, needs=("database",))
handler = Handler(app)
