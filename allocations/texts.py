"""The center's own words on the portal's pages: which there are, where they stand, and what stands there until the
office writes its own."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from allocations.models import CenterText
from portal.people.models import in_language


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands, and its default in both languages."""

    code: str
    label: str | Promise
    help: str | Promise
    default_ko: str
    default_en: str

    @property
    def default(self) -> str:
        return in_language(self.default_ko, self.default_en)


PLACES = (
    Place(
        "contact",
        _("Whom to ask"),
        _("On calls, on the way to the first job and in letters: telephone, e-mail, hours."),
        "궁금한 점은 센터 운영팀으로 문의해 주시기 바랍니다.\n업무 시간: 평일 09:00–18:00",
        "Please ask the center's operations team.\nOffice hours: weekdays 09:00–18:00 (Korean time)",
    ),
    Place(
        "login_host",
        _("Where to log in"),
        _("The address of the login node, and from which networks it is reached."),
        "로그인 노드 주소는 센터에서 안내합니다. 접속에는 SSH를 사용합니다.",
        "The center tells you the address of the login node. You reach it by SSH.",
    ),
    Place(
        "key_or_password",
        _("Key or password"),
        _("How somebody gets what they log in with."),
        "자신의 컴퓨터에서 SSH 키를 만들고(ssh-keygen -t ed25519), 공개키(.pub 파일)만 센터에 등록합니다. "
        "비밀키는 누구에게도 전달하지 마십시오.",
        "Make an SSH key on your own computer (ssh-keygen -t ed25519) and register only the public key (the .pub file) "
        "with the center. Never send the private key to anybody.",
    ),
    Place(
        "first_job",
        _("The first job"),
        _("Above the sample script: what to know before the first job."),
        "아래 작업 스크립트를 job.sh로 저장한 뒤 로그인 노드에서 sbatch job.sh를 실행합니다. "
        "작업 상태는 squeue --me로 확인합니다.",
        "Save the script below as job.sh and run sbatch job.sh on the login node. squeue --me shows how it stands.",
    ),
    Place(
        "account_rules",
        _("Rules for using the cluster"),
        _("What everybody on the cluster keeps to."),
        "클러스터 사용자 이름은 본인만 사용합니다. 로그인 노드에서 학습을 실행해서는 안 됩니다. "
        "배정받은 목적 외의 사용과 가상자산 채굴은 금지되며, 위반 시 배정이 회수될 수 있습니다.",
        "A cluster user name is for one person only. Nothing is trained on the login node. Mining and use for another "
        "purpose than the granted one are forbidden, and may end the grant.",
    ),
    Place(
        "acknowledgement",
        _("Acknowledgement"),
        _("The words that publications carry."),
        "본 연구는 포항 AI가속기 센터의 GPU 자원을 지원받아 수행되었음.",
        "This work was supported by GPU resources of the Pohang AI Accelerator Center.",
    ),
)
BY_CODE = {place.code: place for place in PLACES}


def center_text(code: str) -> str:
    """The text in the reader's language: the office's own, else the default. Raises KeyError for an unknown code."""
    default = BY_CODE[code].default
    own = CenterText.objects.filter(code=code).first()
    return own.text or default if own else default
