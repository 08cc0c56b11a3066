"""Learning: two sides, calibrated out of time, chosen and judged forward in time."""

from tierwise.learning.baselines import rankings
from tierwise.learning.boosters import AdditiveBooster, FreeBooster, TwoSidedBooster
from tierwise.learning.calibration import Affine, CalibrationTest, calibration_test, fit_affine
from tierwise.learning.candidates import KINDS
from tierwise.learning.comparison import compare_calibrators
from tierwise.learning.evaluation import NOT_USABLE, USABLE, Evaluation
from tierwise.learning.ladder import Ladder, Rung, ladder
from tierwise.learning.metrics import Interval, auc, average_precision, capture, deciles, measure, paired_difference
from tierwise.learning.model import PercentileMap, PropensityModel
from tierwise.learning.out_of_time import HINDSIGHT, OutOfTime, Recipe, Refit, learn_out_of_time
from tierwise.learning.plain import declared, grouped
from tierwise.learning.points import point_table
from tierwise.learning.rows import Rows
from tierwise.learning.rubric import TODAY, Held, Rubric, line_points, points, read_rubric
from tierwise.learning.rules import fit_gap, rule_scores
from tierwise.learning.scorecard import Scorecard
from tierwise.learning.staged import StagedBooster
from tierwise.learning.training import Trained, divide, train_model, train_rows
from tierwise.learning.value import BEFORE_AMOUNTS, VALUES, Valued, ValueModel, learn_value

__all__ = [
    "BEFORE_AMOUNTS",
    "HINDSIGHT",
    "KINDS",
    "NOT_USABLE",
    "TODAY",
    "USABLE",
    "VALUES",
    "AdditiveBooster",
    "Affine",
    "CalibrationTest",
    "Evaluation",
    "FreeBooster",
    "Held",
    "Interval",
    "Ladder",
    "OutOfTime",
    "PercentileMap",
    "PropensityModel",
    "Recipe",
    "Refit",
    "Rows",
    "Rubric",
    "Rung",
    "Scorecard",
    "StagedBooster",
    "Trained",
    "TwoSidedBooster",
    "ValueModel",
    "Valued",
    "auc",
    "average_precision",
    "calibration_test",
    "capture",
    "compare_calibrators",
    "deciles",
    "declared",
    "divide",
    "fit_affine",
    "fit_gap",
    "grouped",
    "ladder",
    "learn_out_of_time",
    "learn_value",
    "line_points",
    "measure",
    "paired_difference",
    "point_table",
    "points",
    "rankings",
    "read_rubric",
    "rule_scores",
    "train_model",
    "train_rows",
]
