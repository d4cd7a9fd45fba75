"""What `celery -A carbon_credit.tasks.worker` runs: the application of the environment's settings."""

import os

from carbon_credit.kernel.process import settle
from carbon_credit.kernel.settings import read_settings
from carbon_credit.tasks import create_celery

app = create_celery(read_settings(os.environ))
settle()
