"""The function ``docs``."""

from endpoints.docs.routes import router
from holdfast.web.function import Handler, create_app

app = create_app("docs", router, document=False)
handler = Handler(app)
