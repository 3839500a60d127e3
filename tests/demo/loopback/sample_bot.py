"""A small discord.py bot that uses one of every feature."""

from __future__ import annotations

import io
from typing import Any

import discord
from discord import app_commands


class Buttons(discord.ui.View):
    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Stop", custom_id="stop")
    async def stop_button(self, interaction: discord.Interaction, button: discord.ui.Button[Any]) -> None:
        button.disabled = True
        await interaction.response.edit_message(content=f"stopped by {interaction.user.display_name}", view=self)

    @discord.ui.select(
        custom_id="persona",
        options=[
            discord.SelectOption(label="Pirate", value="pirate"),
            discord.SelectOption(label="Poet", value="poet"),
        ],
    )
    async def persona(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.send_message(f"now a {select.values[0]}", ephemeral=True)

    @discord.ui.select(cls=discord.ui.UserSelect, custom_id="friend")
    async def friend(self, interaction: discord.Interaction, select: discord.ui.UserSelect[Any]) -> None:
        await interaction.response.send_message(f"hello {select.values[0].display_name}")


class Form(discord.ui.Modal, title="Persona"):
    text: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Text", custom_id="text", max_length=20)

    async def on_submit(self, interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"persona: {self.text.value}", ephemeral=True)


class LongForm(discord.ui.Modal, title="Long"):
    labelled: discord.ui.Label[Any] = discord.ui.Label(
        text="Persona",
        component=discord.ui.TextInput(
            style=discord.TextStyle.paragraph, custom_id="labelled", default="one\ntwo", max_length=4000
        ),
    )
    in_a_row: discord.ui.TextInput[Any] = discord.ui.TextInput(
        label="Name", custom_id="in_a_row", style=discord.TextStyle.paragraph, default="Phi", required=False
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.labelled.component, discord.ui.TextInput)
        await interaction.response.send_message(f"{self.in_a_row.value!r}: {self.labelled.component.value}")


class SampleBot(discord.Client):
    def __init__(self, intents: discord.Intents | None = None) -> None:
        super().__init__(intents=intents or discord.Intents.default(), guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.seen: list[tuple[str, Any]] = []
        _add_commands(self.tree)

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        self.seen.append(("message", message))

    async def on_message_edit(self, _: discord.Message, after: discord.Message) -> None:
        self.seen.append(("edit", after))

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        self.seen.append(("raw edit", payload.message))

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        self.seen.append(("bulk delete", payload))

    async def on_raw_thread_delete(self, payload: discord.RawThreadDeleteEvent) -> None:
        self.seen.append(("thread delete", payload.thread_id))

    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        self.seen.append(("channel delete", channel.id))

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        self.seen.append(("delete", payload.message_id))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        self.seen.append(("reaction", str(payload.emoji)))

    async def on_raw_typing(self, payload: discord.RawTypingEvent) -> None:
        if payload.user_id != self.application_id:
            self.seen.append(("typing", payload))

    async def on_guild_join(self, guild: discord.Guild) -> None:
        self.seen.append(("join", guild))

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        self.seen.append(("remove", guild))

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.seen.append(("thread", thread))

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Skip discord.py's pause of 5 s."""

    async def on_ready(self) -> None:
        self.seen.append(("ready", None))

    async def on_resumed(self) -> None:
        self.seen.append(("resumed", None))

    def saw(self, kind: str) -> list[Any]:
        return [thing for one, thing in self.seen if one == kind]


def text_file(name: str, text: str) -> discord.File:
    return discord.File(io.BytesIO(text.encode()), filename=name, description="a note")


def _add_commands(tree: app_commands.CommandTree[SampleBot]) -> None:
    _add_commands_with_options(tree)
    _add_commands_by_response(tree)
    _add_group(tree)

    @tree.command(description="For moderators")
    @app_commands.default_permissions(manage_guild=True)
    async def admin(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("done")

    @tree.context_menu(name="Explain")
    async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"it says: {message.content}")


def _add_commands_with_options(tree: app_commands.CommandTree[SampleBot]) -> None:
    @tree.command(description="Say it again")
    @app_commands.describe(text="what to say")
    async def echo(
        interaction: discord.Interaction,
        text: app_commands.Range[str, 1, 100],
        times: app_commands.Range[int, 1, 5] = 1,
        loud: bool = False,
        to: discord.Member | None = None,
        file: discord.Attachment | None = None,
    ) -> None:
        said = " ".join([text.upper() if loud else text] * times)
        if to is not None:
            said += f" to {to.display_name}"
        if file is not None:
            said += f" with {(await file.read()).decode()}"
        await interaction.response.send_message(said)

    @tree.command(description="Name things")
    async def tag(
        interaction: discord.Interaction,
        channel: discord.TextChannel,
        role: discord.Role,
        who: discord.Member | discord.Role,
    ) -> None:
        await interaction.response.send_message(f"{channel.name}, {role.name}, {who}")


def _add_commands_by_response(tree: app_commands.CommandTree[SampleBot]) -> None:
    @tree.command(description="Think first")
    async def ask(interaction: discord.Interaction) -> None:
        await interaction.response.defer(thinking=True)
        await interaction.edit_original_response(content="an answer")
        await interaction.followup.send("a followup", file=text_file("answer.txt", "42"))

    @tree.command(description="Only you")
    async def secret(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("psst", ephemeral=True)

    @tree.command(description="Forget it")
    async def vanish(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("soon gone", ephemeral=True)
        await interaction.delete_original_response()

    @tree.command(description="Open a form")
    async def form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Form())

    @tree.command(name="long-form", description="Open a form that is filled in")
    async def long_form(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(LongForm())

    @tree.command(description="Never answers")
    async def silent(interaction: discord.Interaction) -> None:
        pass


def _add_group(tree: app_commands.CommandTree[SampleBot]) -> None:
    model = app_commands.Group(name="model", description="The model")

    @model.command(description="Choose a model")
    async def use(
        interaction: discord.Interaction, name: str, threads: app_commands.Range[int, 1, 8] | None = None
    ) -> None:
        await interaction.response.send_message(f"using {name} with {threads}")

    @use.autocomplete("name")
    async def names(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        models = ("phi-3", "smollm2") if interaction.namespace.threads is None else ("eight",)
        return [app_commands.Choice(name=one, value=one) for one in models if current in one]

    tree.add_command(model)
