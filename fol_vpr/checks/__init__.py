"""What can be wrong around the recognizer: facts in, findings out.

Nothing here looks at a machine, a file or a topic: whoever has the facts, `fol_vpr doctor` or the
node, asks for the findings.
"""

from fol_vpr.checks.findings import Finding, Severity, first_steps, ok, skipped

__all__ = ['Finding', 'Severity', 'first_steps', 'ok', 'skipped']
