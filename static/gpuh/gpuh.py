#!/usr/bin/env python3
"""gpuh: how the GPU-hours of your projects stand, on the command line.

  gpuh                       what is left, reserved and can start now, and until when it lasts
  gpuh usage CODE            what was used: --days N, --by person,day,month,pool,partition,kind,state
  gpuh jobs CODE             jobs that run, wait, and ended: --days N
  gpuh login                 keep the address of the portal and a token of yours
  --json                     the portal's answer as it is, for scripts

Address and token are read from GPUH_ADDRESS and GPUH_TOKEN, else from ~/.config/gpuh, which only you may read.
Ends with 0; 1 where the portal refused, 2 for a wrong command, 3 without a valid token, 4 where the portal cannot be
reached. Needs Python 3.6 or newer and nothing else.
"""

import argparse
import getpass
import io
import json
import os
import stat
import sys
import unicodedata
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

# Filled in by the portal where the file is downloaded from.
ADDRESS = ""
VERSION = "1"
TIMEOUT = 20
REFUSED, NO_TOKEN, UNREACHABLE = 1, 3, 4
HERE = ("localhost", "127.0.0.1", "::1")
KST = timezone(timedelta(hours=9))
MOST_ENDED = 20
MOST_DAYS = 3660

KOREAN = {
    "Project": "과제",
    "Pool": "자원",
    "Left": "잔여",
    "Reserved": "예약",
    "Can start": "시작 가능",
    "Used": "사용률",
    "Days left": "남은 일수",
    "A day (7 d)": "일평균(7일)",
    "A day (28 d)": "일평균(28일)",
    "Runs out": "예상 소진일",
    "not before the end": "종료 전 소진 없음",
    "not enough data": "자료 부족",
    "ended": "종료",
    "suspended": "중지",
    "opens %s": "%s 시작",
    "In GPU-hours. Jobs counted up to %s.": "단위: GPU시간. %s까지 종료된 작업을 반영하였습니다.",
    "In GPU-hours. No jobs have been read yet.": "단위: GPU시간. 아직 읽어 온 작업이 없습니다.",
    "You are in no project yet.": "참여 중인 과제가 없습니다.",
    "No GPU time has been awarded to %s yet.": "%s: 배정된 GPU시간이 없습니다.",
    "day": "날짜",
    "month": "월",
    "person": "사용자",
    "pool": "자원",
    "partition": "파티션",
    "kind": "GPU 종류",
    "state": "종료 상태",
    "GPU-hours": "GPU시간",
    "Jobs": "작업 수",
    "Total": "합계",
    "%s, %s to %s": "%s, %s ~ %s",
    "Nothing was used.": "사용 내역이 없습니다.",
    "Job": "작업",
    "Person": "사용자",
    "State": "상태",
    "GPUs": "GPU",
    "Since": "시작·제출",
    "Ended": "종료",
    "Why it waits": "대기 사유",
    "Running and waiting": "실행·대기 중",
    "Ended lately": "최근 종료",
    "None.": "없습니다.",
    "and more": "이하 생략",
    "Address of the portal": "포털 주소",
    "Token (made in the portal under My profile; not shown here)": (
        "접근 토큰(포털의 내 정보에서 발급, 화면에 표시되지 않음)"
    ),
    "Signed in as %s. Kept in %s.": "확인되었습니다: %s. 저장 위치: %s",
    "No token yet. Make one at %s, then run: gpuh login": (
        "접근 토큰이 없습니다. %s에서 발급한 뒤 gpuh login을 실행하십시오."
    ),
    "The token is not valid (any more). Make one at %s, then run: gpuh login": (
        "접근 토큰이 유효하지 않습니다. %s에서 새로 발급한 뒤 gpuh login을 실행하십시오."
    ),
    "This is no token: it begins with gpuh_.": "접근 토큰이 아닙니다. 접근 토큰은 gpuh_로 시작합니다.",
    "The address must begin with https:// – over http others could read your token.": (
        "주소는 https://로 시작해야 합니다. http로는 접근 토큰이 노출될 수 있습니다."
    ),
    "No address of the portal. Set GPUH_ADDRESS, or run: gpuh login": (
        "포털 주소가 없습니다. GPUH_ADDRESS를 설정하거나 gpuh login을 실행하십시오."
    ),
    "Others can read %s. Run: chmod 600 %s": "다른 사용자가 %s 파일을 읽을 수 있습니다. chmod 600 %s 를 실행하십시오.",
    "%s cannot be read. Run: gpuh login": "%s 파일을 읽을 수 없습니다. gpuh login을 실행하십시오.",
    "The portal at %s cannot be reached: %s. Check the address, or try again later.": (
        "포털(%s)에 연결할 수 없습니다: %s. 주소를 확인하거나 잠시 후 다시 시도하십시오."
    ),
    "What answers at %s is not the portal. Check the address: gpuh login": (
        "%s에서 포털이 아닌 응답을 받았습니다. gpuh login으로 주소를 확인하십시오."
    ),
    "The portal has a problem (%s). Try again later.": "포털에 오류가 있습니다(%s). 잠시 후 다시 시도하십시오.",
}


def speaks_korean():
    chosen = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return chosen.lower().startswith("ko")


def say(text, *values):
    text = KOREAN.get(text, text) if speaks_korean() else text
    return text % values if values else text


class Stop(Exception):
    """Ends the command with a sentence that says what to do."""

    def __init__(self, sentence, code=REFUSED):
        super().__init__(sentence)
        self.code = code


# --- Address and token ---


def settings_path():
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", "gpuh")


def read_settings():
    """(address, token). Raises Stop where one is missing, or where others could have read them."""
    kept = {}
    path = settings_path()
    if path.exists():
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Stop(say("Others can read %s. Run: chmod 600 %s", path, path))
        kept = read_kept(path)
    address = checked_address(os.environ.get("GPUH_ADDRESS") or kept.get("address") or ADDRESS)
    token = os.environ.get("GPUH_TOKEN") or kept.get("token")
    if not token:
        raise Stop(say("No token yet. Make one at %s, then run: gpuh login", address + "/me/tokens/"), NO_TOKEN)
    return address, checked_token(token)


def read_kept(path):
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = None
    if not isinstance(kept, dict):
        raise Stop(say("%s cannot be read. Run: gpuh login", path))
    return kept


def checked_address(address):
    address = (address or "").strip().rstrip("/")
    if not address:
        raise Stop(say("No address of the portal. Set GPUH_ADDRESS, or run: gpuh login"))
    if not address.startswith(("https://", "http://")):
        address = "https://" + address
    if address.startswith("http://") and urlsplit(address).hostname not in HERE:
        raise Stop(say("The address must begin with https:// – over http others could read your token."))
    return address


def checked_token(token):
    token = token.strip()
    if not token.startswith("gpuh_") or any(not "!" <= letter <= "~" for letter in token):
        raise Stop(say("This is no token: it begins with gpuh_."), NO_TOKEN)
    return token


def login():
    """Ask for address and token, try them, and keep them where only their owner may read them."""
    asks = sys.stdin.isatty()
    known = os.environ.get("GPUH_ADDRESS") or ADDRESS
    typed = ""
    if asks:
        typed = input(say("Address of the portal") + (f" [{known}]" if known else "") + ": ")
    address = checked_address(typed or known)
    prompt = say("Token (made in the portal under My profile; not shown here)")
    token = checked_token(getpass.getpass(prompt + ": ") if asks else sys.stdin.readline())
    person = ask(address, token, "me")
    path = settings_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name("gpuh.new")
    fresh.touch(mode=0o600)
    fresh.chmod(0o600)
    fresh.write_text(json.dumps({"address": address, "token": token}), encoding="utf-8")
    fresh.replace(path)
    print(say("Signed in as %s. Kept in %s.", person["name"], path))


# --- Asking the portal ---


class NoRedirect(HTTPRedirectHandler):
    """The token is for the portal alone: it is not carried on to another address."""

    def redirect_request(self, *args, **kwargs):
        return None


def ask(address, token, path, **asked):
    """The portal's answer. Raises Stop with what to do where there is none."""
    query = "?" + urlencode({name: value for name, value in asked.items() if value}) if asked else ""
    headers = {
        "Authorization": "Bearer " + token,
        "Accept-Language": "ko" if speaks_korean() else "en",
        "User-Agent": "gpuh/" + VERSION,
    }
    request = Request(address + "/api/v1/" + path + query, headers=headers)  # noqa: S310  (http or https: see above)
    try:
        with build_opener(NoRedirect).open(request, timeout=TIMEOUT) as answer:
            return json.loads(answer.read().decode("utf-8"))
    except HTTPError as error:
        raise refusal(address, error) from None
    except ValueError:
        raise Stop(say("What answers at %s is not the portal. Check the address: gpuh login", address)) from None
    except (URLError, OSError) as error:
        why = getattr(error, "reason", error)
        sentence = say("The portal at %s cannot be reached: %s. Check the address, or try again later.", address, why)
        raise Stop(sentence, UNREACHABLE) from None


def refusal(address, error):
    if error.code == 401:
        sentence = "The token is not valid (any more). Make one at %s, then run: gpuh login"
        return Stop(say(sentence, address + "/me/tokens/"), NO_TOKEN)
    if error.code >= 500:
        return Stop(say("The portal has a problem (%s). Try again later.", error.code), UNREACHABLE)
    try:
        return Stop(json.loads(error.read().decode("utf-8"))["detail"])
    except (ValueError, KeyError, TypeError):
        return Stop(say("What answers at %s is not the portal. Check the address: gpuh login", address))


# --- Writing tables ---


def width(text):
    """Columns of a terminal that the text takes: Hangul takes two each."""
    wide = sum(1 for letter in text if unicodedata.east_asian_width(letter) in "WF")
    return len(text) + wide - sum(1 for letter in text if unicodedata.combining(letter))


def table(head, rows, left):
    """Lines of a table; the columns numbered in `left` begin alike, all others end alike."""
    widths = [max(width(row[column]) for row in [head, *rows]) for column in range(len(head))]
    for row in [head, *rows]:
        cells = []
        for column, text in enumerate(row):
            gap = " " * (widths[column] - width(text))
            cells.append(text + gap if column in left else gap + text)
        yield "  ".join(cells).rstrip()


def hours(amount, places=None):
    """GPU-hours as the portal's pages show them: rounded down, small amounts with two places."""
    if amount is None:
        return "–"
    seconds = amount["gpu_seconds"]
    if places is None:
        places = 2 if 0 < seconds < 36000 and seconds % 3600 else 0
    whole, rest = divmod(seconds * 10**places // 3600, 10**places)
    return f"{whole:,}" + (".{:0{}d}".format(rest, places) if places else "")


def moment(text):
    """`2026-03-01 09:30`, in Korea, of a moment in the portal's answer."""
    return as_moment(text).strftime("%Y-%m-%d %H:%M") if text else "–"


def as_moment(text):
    """Python 3.6 reads no ISO moments: they come with Z, or with an offset that has a colon."""
    text = text.replace("Z", "+00:00")
    text = text[:-3] + text[-2:]
    form = "%Y-%m-%dT%H:%M:%S.%f%z" if "." in text else "%Y-%m-%dT%H:%M:%S%z"
    return datetime.strptime(text, form).astimezone(KST)


def plain(text):
    """Without what would steer the terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text))


# --- What is shown ---


def show_balances(answer):
    projects = answer["projects"]
    if not projects:
        print(say("You are in no project yet."))
        return
    names = ["Project", "Pool", "Left", "Reserved", "Can start", "Used", "Days left", "A day (7 d)", "A day (28 d)"]
    rows = [row for project in projects for row in balance_rows(project)]
    if rows:
        print("\n".join(table([say(name) for name in [*names, "Runs out"]], rows, left=(0, 1, 9))))
    for project in projects:
        if not project["pools"]:
            print(say("No GPU time has been awarded to %s yet.", project["code"]))
    show_age(answer["figures"])


def balance_rows(project):
    for position, pool in enumerate(project["pools"]):
        yield [
            "" if position else project["code"],
            plain(pool["pool"]),
            hours(pool["left"]),
            hours(pool["reserved"]),
            hours(pool["startable"]),
            "–" if pool["used_percent"] is None else f"{pool['used_percent']} %",
            str(pool["days_left"]),
            hours(pool["burn_7"]),
            hours(pool["burn_28"]),
            runs_out(pool),
        ]


def runs_out(pool):
    if pool["standing"] == "upcoming":
        return say("opens %s", moment(pool["starts_at"])[:10])
    if pool["standing"] != "open":
        return say(pool["standing"])
    if pool["projection"] is None:
        return say("not enough data")
    return pool["projection"]["runs_out_on"] or say("not before the end")


def show_age(figures):
    print()
    if figures["read_until"]:
        print(say("In GPU-hours. Jobs counted up to %s.", moment(figures["read_until"])))
    else:
        print(say("In GPU-hours. No jobs have been read yet."))


def show_usage(code, by, answer):
    print(say("%s, %s to %s", code, answer["first"], answer["last"]))
    if not answer["rows"]:
        print(say("Nothing was used."))
        return
    print()
    keys = by.split(",")
    rows = [[cell(row, key) for key in keys] + amounts(row) for row in answer["rows"]]
    total = [say("Total")] + [""] * (len(keys) - 1) + amounts(answer["total"])
    head = [say(name) for name in [*keys, "GPU-hours", "Jobs"]]
    print("\n".join(table(head, [*rows, total], left=range(len(keys)))))
    show_age(answer["figures"])


def cell(row, key):
    if key == "month":
        return row["month"][:7]
    if key == "person" and row["person_name"]:
        return plain(row["person"] + " " + row["person_name"])
    return plain(row[key])


def amounts(row):
    return [hours(row["used"], 2), "{:,}".format(row["jobs"])]


def show_jobs(queue, ended):
    print(say("Running and waiting"))
    if queue:
        head = [say(name) for name in ("Job", "Person", "State", "GPUs", "Since", "Why it waits")]
        rows = [queue_row(job) for job in queue]
        print("\n".join(table(head, rows, left=(0, 1, 2, 4, 5))))
    else:
        print(say("None."))
    print("\n" + say("Ended lately"))
    if ended["jobs"]:
        head = [say(name) for name in ("Job", "Person", "State", "GPUs", "Ended", "GPU-hours")]
        print("\n".join(table(head, [ended_row(job) for job in ended["jobs"]], left=(0, 1, 2, 4))))
        if ended["next"]:
            print("… " + say("and more"))
    else:
        print(say("None."))
    show_age(ended["figures"])


def queue_row(job):
    since = moment(job["started_at"] or job["submitted_at"])
    why = " ".join(text for text in (job["reason_words"], job["cure"]) if text)
    return [plain(job["job"]), plain(job["person"]), job["state"], str(job["gpus"]), since, plain(why)]


def ended_row(job):
    who = [plain(job["job"]), plain(job["person"]), job["state"]]
    return [*who, str(job["gpus"]), moment(job["ended_at"]), hours(job["used"], 2)]


# --- The command ---


def since(days):
    """The first of so many days, today the last, in Korea."""
    today = datetime.now(KST).date()
    return (today - timedelta(days=days - 1)).isoformat()


def run(arguments):
    if arguments.command == "login":
        login()
        return
    address, token = read_settings()
    if arguments.command is None:
        answer = ask(address, token, "projects")
        show = show_balances
    elif arguments.command == "usage":
        path = f"projects/{quote(arguments.code, safe='')}/usage"
        answer = ask(address, token, path, by=arguments.by, **{"from": since(arguments.days)})

        def show(answer):
            show_usage(arguments.code, arguments.by, answer)

    else:
        path = f"projects/{quote(arguments.code, safe='')}/jobs"
        ended = ask(address, token, path, limit=MOST_ENDED, **{"from": since(arguments.days)})
        queue = ask(address, token, "queue", project=arguments.code)["jobs"]
        answer = {"queue": queue, "ended": ended}

        def show(answer):
            show_jobs(answer["queue"], answer["ended"])

    if "json" in arguments:
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    else:
        show(answer)


def read_arguments(words):
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    parser = argparse.ArgumentParser(
        prog="gpuh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[common]
    )
    parser.add_argument("--version", action="version", version="gpuh " + VERSION)
    commands = parser.add_subparsers(dest="command", metavar="usage | jobs | login")
    commands.add_parser("login")
    for name in ("usage", "jobs"):
        command = commands.add_parser(name, parents=[common])
        command.add_argument("code", metavar="CODE")
        command.add_argument("--days", type=whole, default=28, metavar="N")
        if name == "usage":
            command.add_argument("--by", default="person", metavar="KEYS")
    return parser.parse_args(words)


def whole(text):
    number = int(text)
    if not 0 < number <= MOST_DAYS:
        raise ValueError
    return number


def main(words):
    try:
        run(read_arguments(words))
    except Stop as stop:
        print(stop, file=sys.stderr)
        return stop.code
    except BrokenPipeError:
        # `gpuh | head`: who reads has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (KeyboardInterrupt, EOFError):
        print(file=sys.stderr)
        return 130
    return 0


def forgiving(stream):
    """A terminal that knows no Hangul shows question marks rather than an error."""
    return io.TextIOWrapper(stream.buffer, encoding=stream.encoding, errors="replace", line_buffering=True)


if __name__ == "__main__":
    sys.stdout, sys.stderr = forgiving(sys.stdout), forgiving(sys.stderr)
    sys.exit(main(sys.argv[1:]))
