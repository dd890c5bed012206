"""Carries out a plan for triggers, one after the other, and tells what became of each."""

from collections.abc import Iterable, Iterator

from engine.model.trigger import TriggerDefinition
from engine.model.trigger_keys import plain_trigger
from engine.model.trigger_options import OPTIONS
from influxdb3_cli import output
from influxdb3_cli.client import InfluxClient, NewTrigger
from influxdb3_cli.errors import CommandFailed, ServerRefused
from influxdb3_cli.plugin_plans import Sending
from influxdb3_cli.texts import quote
from influxdb3_cli.trigger_plans import Addition, Alteration, Plan, Removal, Step, done_word, name_of

_CONFLICT = 409


def carry_out(client: InfluxClient, plan: Plan) -> None:
    """Do what is planned; a trigger that the server refuses does not hold up the other triggers.

    Raises:
        CommandFailed: a plugin was not taken, and nothing was done to triggers; or not all was done to them, and the
            text says how much.
    """
    for sending in plan.sendings:
        _send(client, sending)
    for name in plan.new_databases:
        _create_database(client, name)
    done = sum(_is_done(client, step) for step in plan.steps)
    if done < len(plan.steps):
        raise CommandFailed(f"{done} of {len(plan.steps)} changes were made; run it again to make the others")


def _send(client: InfluxClient, sending: Sending) -> None:
    what = f"plugin {quote(sending.plugin)}"
    if sending.user is not None:
        for warning in client.replace_plugin(*sending.user, sending.content):
            output.note(f"warning: {what}: {warning}")
    else:
        for name, text in sending.files:
            client.write_plugin_file(name, text)
    output.line(f"{what} sent")


def _create_database(client: InfluxClient, name: str) -> None:
    try:
        client.create_database(name)
    except ServerRefused as error:
        if error.status != _CONFLICT:  # else somebody, or a write, has made it meanwhile
            raise


def _is_done(client: InfluxClient, step: Step) -> bool:
    """Do one thing; return whether the server did it."""
    try:
        for warning in _do(client, step):
            output.note(f"warning: {name_of(step)}: {warning}")
    except ServerRefused as error:
        output.note(f"{name_of(step)} was not {done_word(step)}: {error}")
        return False
    output.line(f"{name_of(step)} {done_word(step)}")
    return True


def _do(client: InfluxClient, step: Step) -> Iterable[str]:
    """Do one thing; return what the server warns of."""
    match step:
        case Addition(database, trigger):
            return client.create_trigger(_new_trigger(database, trigger))
        case Alteration():
            return _change(client, step)
        case Removal(database, trigger):
            client.delete_trigger(database, trigger.name, force=True)
            return ()


def _change(client: InfluxClient, step: Alteration) -> Iterator[str]:
    name, changes = step.trigger.name, step.as_request()
    if step.before.enabled and not step.trigger.enabled:
        client.disable_trigger(step.database, name)
    if changes:
        yield from client.update_trigger(step.database, name, changes)
    if step.trigger.enabled and not step.before.enabled:
        client.enable_trigger(step.database, name)


def _new_trigger(database: str, trigger: TriggerDefinition) -> NewTrigger:
    plain = plain_trigger(trigger)
    return NewTrigger(
        database=database,
        name=plain["name"],
        plugin_filename=plain["plugin_filename"],
        specification=plain["trigger_specification"],
        arguments=plain["trigger_arguments"],
        run_async=plain["run_async"],
        error_behavior=plain["error_behavior"],
        disabled=not plain["enabled"],
        settings={option.name: plain[option.name] for option in OPTIONS if option.name in plain},
    )
