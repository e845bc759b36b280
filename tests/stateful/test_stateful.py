"""Two people do anything in any order to a running service, and a model says what must come of it.

`--stateful-steps` says how much of it; `--hypothesis-seed` repeats a run.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis.stateful import run_state_machine_as_test

from tests import settings as test_settings
from tests.faults.service import proxied
from tests.stateful.failing import Failing
from tests.stateful.following import Following
from tests.stateful.keeping import Keeping
from tests.stateful.placing import Placing

QUICK, AT_LENGTH, AT_LENGTH_EMBEDDED = 100, 1000, 500
"""Steps, unless `--stateful-steps` says how many; fewer on the embedded store, which is slow."""
STEPS_OF_AN_EXAMPLE = 30

pytestmark = pytest.mark.usefixtures("store")


class Drive(Failing, Following, Keeping, Placing):
    """All that two people do."""


def test_what_two_people_do_is_what_the_model_says(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    steps = request.config.getoption("--stateful-steps") or QUICK
    take_steps(steps, tmp_path, request.config)


@pytest.mark.slow
def test_what_two_people_do_at_length_is_what_the_model_says(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--stateful-steps"):
        pytest.skip("the test above takes the steps asked for")
    embedded = test_settings.EMBEDDED_STORE_PORT is not None
    take_steps(AT_LENGTH_EMBEDDED if embedded else AT_LENGTH, tmp_path, request.config)


def take_steps(steps: int, folder: Path, config: pytest.Config) -> None:
    """Take at least so many steps, in as many examples as that needs, and audit all rows."""
    given = config.getoption("--hypothesis-seed")
    first = 0 if "CI" in os.environ else random.SystemRandom().randrange(1 << 32)
    seed = int(given) if given is not None else first
    # Shown where the test fails.
    print(f"--hypothesis-seed={seed} --stateful-steps={steps}")
    with proxied(folder, STORE_TIMEOUT="8", DEFAULT_QUOTA="1TiB") as service:
        Drive.service, Drive.steps, Drive.examples = service, 0, 0
        Drive.prober = service.person()
        Drive.probe = f"/uploads/{Drive.prober.init(b'x', multipart=True)['upload_id']}"
        while Drive.steps < steps:
            # One more, as the first is the simplest, which does nothing.
            examples = 1 + -(-(steps - Drive.steps) // STEPS_OF_AN_EXAMPLE)
            hypothesis.seed(seed)(Drive)
            run_state_machine_as_test(
                Drive,
                settings=hypothesis.settings(
                    max_examples=examples,
                    stateful_step_count=STEPS_OF_AN_EXAMPLE,
                    deadline=None,
                    database=None,
                    phases=[Phase.generate],  # To shrink would take an hour.
                    suppress_health_check=list(HealthCheck),
                ),
            )
            seed += 1
        service.audit()
    assert Drive.steps >= steps
