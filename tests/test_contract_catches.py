"""The contract suite fails for algorithms that break a rule, in the test that names it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mersearch.errors import ConfigError, TrialFailure
from mersearch.testing import AlgorithmContract
from mersearch.testing.held_out import REPLACEMENTS

CAUGHT = [
    # algorithm, test, its arguments, message
    ("ReadsLabelsInPredict", "every_held_out_clip_gets_logits_and_a_map", (), "micro.emotion"),
    *(
        (
            "LooksBehindThePlan",
            "replacing_what_is_held_out_changes_no_bit_of_the_training",
            (what,),
            f"{what} of the held-out clips of",
        )
        for what in REPLACEMENTS
    ),
    ("RemembersPredictedClips", "nothing_is_carried_from_one_fold_to_another", (), "after other folds"),
    ("RemembersPlannedLabels", "nothing_is_carried_from_one_fold_to_another", (), "after other folds"),
    (
        "NormalisesOverTheBatch",
        "a_prediction_does_not_depend_on_the_other_clips_of_its_batch",
        (),
        "logits of a clip predicted alone",
    ),
    ("ForgetsTheLastClip", "every_held_out_clip_gets_logits_and_a_map", (), "`predict` returns logits"),
    ("MapsBeyondOne", "maps_lie_between_0_and_1", (), "maps at the start lie between"),
    ("MapsGrowBeyondOne", "maps_lie_between_0_and_1", (), "maps after training lie between"),
    ("NeedsTwoClips", "a_fold_that_trains_on_one_clip_trains", (), "high <= 0"),
    ("ReadsAnItem", "every_loss_of_stacked_folds_is_that_of_a_loop", (torch.float32,), r"\.item\(\)"),
    (
        "BranchesOnData",
        "predictions_of_stacked_folds_are_those_of_a_loop",
        (torch.float64,),
        "data-dependent",
    ),
    ("RunningBatchNorm", "a_loss_is_a_function_of_its_arguments", (), "state mean is changed in place"),
    ("DrawsGlobally", "every_loss_of_stacked_folds_is_that_of_a_loop", (torch.float32,), "random"),
    ("DrawsGlobally", "a_loss_is_a_function_of_its_arguments", (), "loss macro called twice"),
    ("StartsGlobally", "the_start_is_a_function_of_the_key", (), r"init\(1\) twice"),
    ("StartsGlobally", "the_same_seed_gives_the_same_bits_whatever_the_global_generators", (), "parameter"),
    ("PlansGlobally", "the_same_seed_gives_the_same_bits_whatever_the_global_generators", (), "parameter"),
    ("IgnoresItsKeys", "the_start_is_a_function_of_the_key", (), "are the same"),
    ("IgnoresItsKeys", "another_seed_gives_other_numbers", (), "the same bits"),
    ("CountsItsCalls", "a_loss_is_a_function_of_its_arguments", (), "called twice"),
    ("CountsItsCalls", "nothing_is_carried_from_one_fold_to_another", (), "after other folds"),
    ("DividesByTheSpreadOverTime", "clips_of_any_number_of_frames_train", (1,), "a loss stays finite"),
    ("NeedsTwoClasses", "a_fold_of_one_class_trains", (), "empty|cannot be"),
    ("NeedsAPairOfEveryClass", "a_fold_with_one_training_clip_of_a_class_trains", (), "larger sample"),
    ("NeedsEveryClass", "a_fold_without_a_training_clip_of_a_class_trains", (), "empty|cannot be"),
    ("NeedsAnotherPerson", "a_fold_that_trains_on_one_person_trains", (), "empty|cannot be"),
    ("DropsSingleClips", "a_fold_with_one_held_out_clip_is_predicted", (), "`predict` returns logits"),
    ("AveragesActionUnits", "clips_without_action_units_train", (), "a loss stays finite"),
    ("ReadsMoreThanItNeeds", "what_it_needs_is_enough", (), "micro.rgb"),
    ("ReadsMoreThanItNeeds", "flow_alone_is_enough", (), "micro.rgb"),
    ("NeedsSound", "it_needs_views_and_macro_clips_and_nothing_else", (), "sound"),
    (
        "LearnsNothing",
        "every_loss_has_a_finite_gradient_that_moves_its_group",
        (),
        "loss macro: no parameter",
    ),
    ("LearnsNothing", "replacing_a_training_clip_changes_the_training", ("labels",), "nothing changed"),
    ("LearnsOtherLabels", "one_fold_fits_its_training_clips", (), "of its training clips are right"),
    ("Explodes", "every_stage_runs_and_every_loss_stays_finite", (), "inf at step 5"),
    (
        "InfiniteGradient",
        "every_loss_has_a_finite_gradient_that_moves_its_group",
        (),
        "gradient of .* not finite",
    ),
    ("GrowsItsState", "a_state_keeps_its_names_shapes_and_types", (), "the state after loss macro"),
    ("NamesACurveNobodyLogs", "every_log_in_curves_is_logged", (), "no loss logs 'classification'"),
    (
        "AblatesNothing",
        "every_ablation_is_a_configuration_that_trains_otherwise",
        (),
        "'− gain' changes nothing",
    ),
    (
        "GivesUpTheWrongPart",
        "what_it_gives_up_for_want_of_data_is_then_not_needed",
        (),
        "flow is needed with",
    ),
    ("AblatesAnUnknownSetting", "every_ablation_is_a_configuration_that_trains_otherwise", (), "unknown key"),
    ("MutableSettings", "settings_are_a_frozen_record_whose_defaults_are_valid", (), "no frozen dataclass"),
    ("InspectsTheBatch", "what_it_shows_of_its_inside_is_per_clip", (), "'certainty' of shape"),
]


def contract(algorithm: str, settings: dict[str, Any] | None = None, **more: Any) -> AlgorithmContract:
    chosen = {"steps": 8, "macro": True} if settings is None else settings
    names = {"algorithm": f"tests.broken:{algorithm}", "settings": chosen, "overfit": {"steps": 60}, **more}
    made: AlgorithmContract = type("Case", (AlgorithmContract,), names)()
    return made


@pytest.mark.parametrize(("algorithm", "test", "arguments", "message"), CAUGHT)
def test_a_broken_rule_fails_the_test_that_names_it(
    algorithm: str, test: str, arguments: tuple[Any, ...], message: str
) -> None:
    kinds = (AssertionError, TrialFailure, ConfigError, KeyError, RuntimeError, ValueError)
    with pytest.raises(kinds, match=message):
        getattr(contract(algorithm), f"test_{test}")(*arguments)


def test_flow_only_is_skipped_where_rgb_is_needed_and_no_settings_are_given_against_it() -> None:
    with pytest.raises(pytest.skip.Exception, match="needs rgb; where settings can change that"):
        contract("NeedsRgbAlways").test_flow_alone_is_enough()
    with pytest.raises(AssertionError, match="with the settings `flow_only` too"):
        contract("NeedsRgbAlways", flow_only={"width": 5}).test_flow_alone_is_enough()


def test_settings_that_break_a_rule_are_named_with_the_class_that_gives_them() -> None:
    with pytest.raises(ConfigError, match=r"settings of Case: algorithm\.width must be a whole number ≥ 1"):
        contract("MapsBeyondOne", {"width": 0}).test_maps_lie_between_0_and_1()
