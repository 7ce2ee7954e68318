"""The settings of a project that concern the guard: their names, and the policy that they lead to."""

from pathlib import Path

from scrapy.settings import BaseSettings
from scrapy.utils.conf import closest_scrapy_cfg

from ingest_guard.errors import SetupError
from ingest_guard.policy.policy import Policy

POLICY_SETTING = "INGEST_GUARD_POLICY"
DATASET_SETTING = "INGEST_GUARD_DATASET"
FORMAT_SETTING = "INGEST_GUARD_FORMAT"
OUTFIT_SETTING = "INGEST_GUARD_OUTFIT"
ROWS_SETTING = "INGEST_GUARD_SHARD_ROWS"
RECOVER_SETTING = "INGEST_GUARD_RECOVER"
DOUBLES_SETTING = "INGEST_GUARD_ACCEPT_DOUBLES"
EXPLAIN_SETTING = "INGEST_GUARD_EXPLAIN"
"""True in the crawl of one address by which ``ingest-guard explain`` asks."""
COMPLETION_SETTING = "INGEST_GUARD_COMPLETION"
PROGRESS_SETTING = "INGEST_GUARD_PROGRESS"
LOG_FORMATTER_SETTING = "INGEST_GUARD_LOG_FORMATTER"
"""Where the add-on keeps the project's own log formatter."""
SIGN_KEY_VARIABLE = "INGEST_GUARD_SIGN_KEY"
"""The environment variable with the path of the key that signs the data set."""
TESTED_SCRAPY = ("2.15", "2.19")
"""The oldest and the newest minor version of Scrapy with which the whole test suite has run."""


def policy_path(settings: BaseSettings) -> Path:
    """Return where the policy is: relative to the folder of scrapy.cfg, else to the working folder.

    Raises
    ------
    SetupError
        The setting is missing or empty.
    """
    value = settings.get(POLICY_SETTING)
    if not value:
        raise SetupError(
            f"ingest_guard: the setting {POLICY_SETTING} is missing; write a policy with 'ingest-guard init' and add "
            f'{POLICY_SETTING} = "policy.yaml" to the settings'
        )
    configuration = closest_scrapy_cfg()
    base = Path(configuration).parent if configuration else Path.cwd()
    return base / Path(str(value)).expanduser()


def load_policy(settings: BaseSettings) -> Policy:
    """Read the policy that the settings name; PolicyError or SetupError where that cannot be done."""
    return Policy.load(policy_path(settings))
