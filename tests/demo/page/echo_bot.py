"""A small discord.py bot for the page's tests. It streams back what it is sent and has a few commands."""

from __future__ import annotations

import asyncio

import discord
from discord import app_commands

WORDS_APART = 0.03  # seconds between two words of an answer
SAMPLES = {
    "markdown": (
        "# Answer\n**bold** *slanted* __under__ ~~gone~~ `code` ||secret||\n> quoted words\n- one\n  - nested\n- two\n"
        "1. first\n2. second\n```python\nprint('hello')\n```\n[a link](https://example.com/page) and <@{person}>"
    ),
    "injection": '<img src=x onerror="window.broken=1"><script>window.broken=1</script> **<b>x</b>**',
}


class Choices(discord.ui.View):
    """A button, a disabled one, and a menu."""

    def __init__(self) -> None:
        super().__init__(timeout=None)

    @discord.ui.button(label="Again", custom_id="again", style=discord.ButtonStyle.primary)
    async def again(self, interaction: discord.Interaction, button: discord.ui.Button[Choices]) -> None:
        """Show that the press arrived."""
        await interaction.response.edit_message(content="Pressed", view=self)

    @discord.ui.button(label="Off", custom_id="off", disabled=True)
    async def off(self, interaction: discord.Interaction, button: discord.ui.Button[Choices]) -> None:
        """Never called: the button is disabled."""

    @discord.ui.select(
        custom_id="tone",
        placeholder="Choose a tone",
        options=[discord.SelectOption(label="Kind", description="Warm words"), discord.SelectOption(label="Terse")],
    )
    async def tone(self, interaction: discord.Interaction, select: discord.ui.Select[Choices]) -> None:
        """Show the choice."""
        await interaction.response.send_message(f"Tone: {select.values[0]}", ephemeral=True)


class Persona(discord.ui.Modal, title="A persona"):
    """A dialog with one long text."""

    words: discord.ui.TextInput[Persona] = discord.ui.TextInput(
        label="Who should I be?", style=discord.TextStyle.paragraph, required=True
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Show the text."""
        await interaction.response.send_message(f"I am now: {self.words.value}", ephemeral=True)


class About(discord.ui.Modal, title="Ask about this"):
    """A dialog of everything but texts."""

    tone: discord.ui.Label[About] = discord.ui.Label(
        text="Tone",
        component=discord.ui.Select(options=[discord.SelectOption(label="Kind"), discord.SelectOption(label="Terse")]),
    )
    friend: discord.ui.Label[About] = discord.ui.Label(text="Friend", component=discord.ui.UserSelect(required=False))
    files: discord.ui.Label[About] = discord.ui.Label(
        text="Files", component=discord.ui.FileUpload(required=False, max_values=3)
    )
    length: discord.ui.Label[About] = discord.ui.Label(
        text="Length",
        component=discord.ui.RadioGroup(
            options=[
                discord.RadioGroupOption(label="Short", value="short"),
                discord.RadioGroupOption(label="Long", value="long"),
            ]
        ),
    )
    private: discord.ui.Label[About] = discord.ui.Label(
        text="Private", description="Only you see the answer", component=discord.ui.Checkbox()
    )

    async def on_submit(self, interaction: discord.Interaction) -> None:
        """Show everything that was filled in."""
        tone, friend, files, length, private = (
            label.component for label in (self.tone, self.friend, self.files, self.length, self.private)
        )
        assert isinstance(tone, discord.ui.Select)
        assert isinstance(friend, discord.ui.UserSelect)
        assert isinstance(files, discord.ui.FileUpload)
        assert isinstance(length, discord.ui.RadioGroup)
        assert isinstance(private, discord.ui.Checkbox)
        texts = [(await file.read()).decode() for file in files.values]
        words = [*tone.values, *(one.display_name for one in friend.values), *texts, length.value]
        await interaction.response.send_message(" ".join(filter(None, words)), ephemeral=private.value)


class EchoBot(discord.Client):
    """Answers mentions and DMs with their own words."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.default())
        self.tree = app_commands.CommandTree(self)
        self.may_answer = asyncio.Event()  # a test clears it to look at the page before the answer comes
        self.may_answer.set()
        add_commands(self.tree)

    async def setup_hook(self) -> None:
        """Register the commands before the bot is online."""
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        """Answer a mention or a DM, word by word."""
        assert self.user is not None
        if message.author.bot or (message.guild is not None and self.user not in message.mentions):
            return
        words = message.content.replace(f"<@{self.user.id}>", "").strip()
        if words in SAMPLES:
            await message.reply(SAMPLES[words].format(person=message.author.id))
        elif words == "file":
            await message.reply("Here.", file=discord.File(__file__, filename="answer.txt"))
        else:
            await self._stream(message, words)

    async def _stream(self, message: discord.Message, words: str) -> None:
        async with message.channel.typing():
            await self.may_answer.wait()
        said = ["You", "said:", *words.split()]
        answer = await message.reply(said[0])
        for count in range(2, len(said) + 1):
            await asyncio.sleep(WORDS_APART)
            await answer.edit(content=" ".join(said[:count]))
        await answer.edit(view=Choices())


def add_commands(tree: app_commands.CommandTree[EchoBot]) -> None:
    """Add the slash commands and the context-menu command."""
    model = app_commands.Group(name="model", description="About the model")

    @model.command(description="Show what answers here")
    async def info(interaction: discord.Interaction) -> None:
        card = discord.Embed(title="Model", description="**Echo** of what you say", color=0x57F287)
        card.add_field(name="Device", value="`CPU`").add_field(name="Speed", value="fast").set_footer(text="Echo 1.0")
        await interaction.response.send_message("Only for you", embed=card, ephemeral=True)

    @tree.command(description="Say something slowly")
    @app_commands.describe(words="What to say", loud="In capitals")
    async def say(interaction: discord.Interaction[EchoBot], words: str, loud: bool = False) -> None:
        await interaction.response.defer()
        await interaction.client.may_answer.wait()
        await interaction.followup.send(words.upper() if loud else words)

    @say.autocomplete("words")
    async def words_so_far(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=word, value=word) for word in ("hello", "help") if word.startswith(current)]

    @tree.command(description="Change who I am")
    async def persona(interaction: discord.Interaction) -> None:
        await interaction.response.send_modal(Persona())

    @tree.command(description="Never answer")
    async def silent(interaction: discord.Interaction) -> None:
        """Leave the interaction unanswered."""

    @tree.command(name="ask", description="Ask a question")
    async def ask_command(
        interaction: discord.Interaction, question: str, file: discord.Attachment | None = None, private: bool = False
    ) -> None:
        text = "" if file is None else (await file.read()).decode()
        await interaction.response.send_message(f"{question} {text}", ephemeral=private)

    @tree.command(description="What can be done")
    async def help(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("Use </model info:1> or </gone:2>.", ephemeral=True)

    @tree.context_menu(name="Ask about this")
    async def about(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_modal(About())

    @tree.context_menu(name="Count words")
    async def count_words(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"{len(message.content.split())} words", ephemeral=True)

    tree.add_command(model)
