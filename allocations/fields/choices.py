"""What may be chosen in fields of the application form. Stored are the words on the left; they never change."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

YES, NO = "yes", "no"
YES_NO = ((YES, _("Yes")), (NO, _("No")))
YES_NO_UNSURE = (*YES_NO, ("unsure", _("Not sure: the office should ask")))

IS_CONFIDENTIAL = "confidential"
CONFIDENTIAL = (("open", _("Everybody who sees the list of projects")), (IS_CONFIDENTIAL, _("Confidential")))

# The major categories of the national standard classification of science and technology that compute.
RESEARCH_FIELDS = (
    ("mathematics", _("Mathematics")),
    ("physics", _("Physics")),
    ("chemistry", _("Chemistry")),
    ("earth", _("Earth science")),
    ("life", _("Life science")),
    ("agriculture", _("Agriculture, forestry and fisheries")),
    ("health", _("Health and medicine")),
    ("machinery", _("Machinery")),
    ("materials", _("Materials")),
    ("process", _("Chemical processes")),
    ("electronics", _("Electricity and electronics")),
    ("information", _("Information and communication")),
    ("energy", _("Energy and resources")),
    ("nuclear", _("Nuclear power")),
    ("environment", _("Environmental science")),
    ("construction", _("Construction and transport")),
    ("humanities", _("Humanities and social sciences")),
)

DOMAINS = (
    ("steel", _("Steel")),
    ("batteries", _("Secondary batteries")),
    ("bio", _("Bio and health")),
    ("factory", _("Smart factory")),
    ("education", _("Education")),
    ("other", _("Another field")),
)

AI_TASKS = (
    ("pretraining", _("Pre-training of large models")),
    ("finetuning", _("Fine-tuning")),
    ("vision", _("Images and video")),
    ("language", _("Language and speech")),
    ("series", _("Time series and sensors")),
    ("simulation", _("Simulation with AI")),
    ("inference", _("Inference")),
    ("teaching", _("Teaching and practice")),
)

PRECISIONS = (
    ("fp64", _("FP64")),
    ("fp32", _("FP32 or TF32")),
    ("bf16", _("BF16 or FP16, mixed")),
    ("fp8", _("FP8 or lower")),
    ("unknown", _("Not known yet")),
)

CHECKPOINTING = (
    ("yes", _("Yes, regularly")),
    ("planned", _("Planned")),
    ("short", _("Not needed: runs are short")),
    ("no", _("No")),
)

PERSONAL_DATA = (
    ("no", _("No personal data")),
    ("pseudonymised", _("Pseudonymised data only")),
    ("yes", _("Yes")),
)

IRB = (
    ("none", _("No medical data")),
    ("approved", _("Approved by the review board: attached")),
    ("applied", _("Review board applied for")),
    ("exempt", _("Exempt from review")),
)

RESULTS = (
    ("open", _("Published openly")),
    ("partly", _("Published in part")),
    ("proprietary", _("Kept by the applicant")),
)
