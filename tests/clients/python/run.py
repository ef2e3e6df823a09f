"""OpenAI's and Anthropic's SDKs and LangChain, unchanged, against `insula dev`.

Takes what `dev.env` says from the environment; prints one line a case and `N passed, M failed` last.
"""

import sys
import traceback

# Each adds its cases to the list.
import batches  # noqa: F401
import chat  # noqa: F401
import embeddings  # noqa: F401
import langchain_chat  # noqa: F401
import messages  # noqa: F401
import moderations  # noqa: F401
import responses  # noqa: F401
import retrieval  # noqa: F401
import vector_stores  # noqa: F401
from support import CASES


def main():
    failed = 0
    for name, function in CASES:
        try:
            function()
            print(f"ok      {name}")
        except Exception:
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}")
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
