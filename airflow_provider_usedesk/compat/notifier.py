"""A notifier that renders its templates in every callback of Airflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_usedesk.compat.sdk import BaseNotifier

if TYPE_CHECKING:
    import jinja2

    from airflow_provider_usedesk.compat.sdk import Context


class TextNotifier(BaseNotifier):
    """A notifier whose templates render to text, whether or not the context has a Dag."""

    def rendered(self, value: Any, context: Context) -> Any:
        """
        Return a value with its templates rendered; the notifier and the context do not change.

        :param value: a text, or a list or dict with texts
        :param context: context of the callback
        :raises Exception: if a template is not valid or names what the context does not have
        """
        return self.render_template(value, context, self._environment(context))

    def _environment(self, context: Context) -> jinja2.Environment:
        from jinja2 import StrictUndefined

        dag_environment = getattr(context.get("dag"), "get_template_env", None)
        if dag_environment is not None:
            # Sandboxed, so that a Dag with native rendering renders to text, too.
            environment: jinja2.Environment = dag_environment(force_sandboxed=True)
            return environment
        environment = self.get_template_env()
        # As in a Dag; Airflow's environment without a Dag renders an unknown name to an empty text.
        environment.undefined = StrictUndefined
        return environment

    def _render(self, template: Any, context: Any, dag: Any = None) -> Any:
        # BaseNotifier needs a Dag in the context, which a deadline alert does not have.
        return super(BaseNotifier, self)._render(template, context)
