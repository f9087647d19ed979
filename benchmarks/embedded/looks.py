"""Materials and styles, as a classifier tells them that has learnt the training looks."""

from training.embedded.evaluate import train_classifier
from training.embedded.materials import PATTERNS
from training.embedded.styles import STYLES
from training.embedded.wishes import Wish

from .subject import ALL_MATERIALS, picture_of, words_for


def measure_looks(subjects, library):
    """For each material and style: of the edits with it and without, how many are told right."""
    rows = []
    plain = {s.clip.name: s.foreground(f"a picture of a {s.noun}")[0].keyframes[0] for s in subjects}
    for kind, looks in (("material", ALL_MATERIALS), ("style", STYLES)):
        for look in looks:
            slot = "pattern" if look in PATTERNS else kind
            classifier = train_classifier(Wish(**{slot: look}), library)
            told = []
            for subject in subjects:
                edit, _ = subject.foreground(f"{words_for(look)} {subject.noun}")
                told += [seen(classifier, each) for each in edit.keyframes]
                told += [not seen(classifier, plain[subject.clip.name])] * len(edit.keyframes)
            rows.append({"kind": kind, "look": look, "told right": f"{sum(told)} of {len(told)}"})
    return rows


def seen(classifier, keyframe):
    mask = keyframe.alpha[0].numpy()
    return classifier.has_look(picture_of(keyframe.after) * (mask > 0.5)[..., None], mask)
