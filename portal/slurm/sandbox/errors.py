"""What can go wrong with a sandbox. Every message is a sentence for a person."""


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message says why, and what would help where that is known."""


class CommandFailed(SandboxError):
    """A command inside the sandbox ended with an exit code other than 0."""

    def __init__(self, argv: list[str], returncode: int, stdout: str, stderr: str) -> None:
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        said = "\n".join(part.strip() for part in (stderr, stdout) if part.strip()) or "no output"
        super().__init__(f"{' '.join(argv)} ended with {returncode}: {said}")
