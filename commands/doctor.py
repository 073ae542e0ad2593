"""/doctor: what is wrong, what mends it, and which agent and model are in force."""

import asyncio
import os

from bot.doctor import render
from bot.doctor.examine import examine
from bot.doctor.inforce import table
from bot.doctor.inforce.looking import seen_in_force
from bot.doctor.redact import for_chat
from bot.doctor.scene import look_around
from bot.texts import about
from commands.registry import Invocation, command


@command("doctor", alias=("检查", "诊断"), topic=about.PEOPLE, about=about.DOCTOR, role="admin")
async def doctor(invocation: Invocation) -> str:
    """Look at everything, and say what is wrong without secrets or where they are."""
    services, language = invocation.services, invocation.language
    scene = await look_around(services.settings, services.file, os.environ, clock=services.clock)
    report = await examine(scene)
    redactor = await asyncio.to_thread(for_chat, scene)
    said = render.for_chat(report, language, redactor, render.program(services.file))
    found = await seen_in_force(scene)
    return said if found is None else f"{said}\n\n{redactor.text(table.short(found).say(language))}"
