"""Texts of the service in errors and logs: they can repeat personal data and the token in any form."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import unquote_plus

# Characters of a text of the service that are read; a quotation is shorter.
MAX_READ = 2000
MAX_QUOTED = 300
# Characters of a secret whose repetition counts; fewer occur in a text by accident.
MIN_REPEATED = 6

# Levels of an error that are read: fields, and the lists of their texts.
MAX_DEPTH = 3

# Rounds of decoding, for a value that was encoded more than once.
MAX_DECODED = 8

_FIELDS = """
accessible_for_agent_id additional_id agent api_token assignee_id avatar bcc category_lid cc channel
channel_id channel_type chat chat_id chat_online_status client client_address client_city client_company_id
client_company_name client_country client_email client_id client_name client_phone comment comment_id
comments company company_name contact contacts copilot created_after created_before custom_fields email
emails end_time fassigned fcategory fchannel fgroup field field_id field_value fields file files flist
fpriority from fstatus ftype fuser group group_id groups id identity ids is_new_note lang lists merge_id
message message_id messages messenger messengers name new_address note offset order pact password phone
phone_type phones position priority private_comment properties query role search_type send_invite silent
site sites sort status status_spam status_vip sub subject tag tags telegram template template_id
template_lang template_name template_variables text ticket ticket_id ticket_online_status tickets token
trigger_id type uid updated_after updated_before url user user_id user_type username users variables viber
whatsapp
"""
_ENGLISH = """
a about access account action active address allowed already an and any api approved are argument array as at
attached attribute authentication authorization authorized available bad be been before between blocked
body boolean bytes can cannot character characters check closed code connected connection contain contains
content count create created data database date delete deleted delivered denied disabled does doesn't
duplicate either empty enabled entity error errors exceed exceeded exceeds exist existing exists expected
expired failed false few for forbidden format found given greater has have html in inactive incorrect
input integer internal invalid is it its json key known language large least length less limit list long
longer mandatory many max maximal maximum mb method min minimum minutes missing must need needed no none
not null number object of older on one only open opened operation option or other out outside over page
parameter parameters passed permission permissions permitted please post present private provided public
rate reached read recipient record refused rejected request requests required response retry second
seconds selected sent server service session set short should size some something string successful support
supported temporarily than that the them then there this time timed timeout to too true try unable
unauthorized unavailable undefined unexpected unknown unprocessable unsupported up update updated url used
valid validation value values verification wait was wasn't went were when window with within without wrong you
your
"""
_RUSSIAN = """
авторизации авторизация агент агента агентов адрес адреса активен активна без был была было быть в ваш
вложение вложения внутренний внутренняя время все выключен группа группе группу группы да данные данных
дата даты длина для до добавить добавлен должен должна должно должны допустимая допустимо допустимое
допустимый доступ доступа доступен доступна доступно доступны единица еще ещё же заблокирован закрыт
запрещен запрещено запрещён запрос запроса запросов значение значений значения и идентификатор из или
имеет имя используется истек истекло истёк их к канал канала канале каналов каналу клиент клиента клиентов
клиенту ключ код количество комментарий комментария компании компания лимит лимита максимальная
максимальный максимум мб менее метка метки метод минимум много может можно на найден найдена найдено
найдены не неверен неверная неверно неверное неверные неверный невозможно недействителен недействительный
недопустимое недопустимый неизвестная неизвестный некорректен некорректная некорректно некорректное
некорректный необходим необходимо неправильно неправильный недостаточно нет ни номер номера об обновить
обновлен обязателен обязательно обязательное обязательный ограничение окно он она оно от отказано отключен
отправить отправка отправки отправлен отправлено отсутствует отсутствуют очень ошибка ошибки пар параметр
параметра параметры передан передано переменная переменные переменных по повторите позже поле получатель
пользователь пользователя поля полям попробуйте прав права превышает превышен превышена превышено при пуст
пуста пустая пустое пустой пустым размер разрешен разрешено с сервер сервера сервис сервису символ символа
символов слишком со создан создать сообщение сообщения состояние списка список статус статуса существует
существуют тег тега теги тегов текст текста телефон телефона тело тикет тикета тикетов тикету тип токен
токена только требуется удален удалось удалён уже указан указана указано указаны файл файла файлов файлы
формат формата целое часов через число шаблон шаблона шаблону это язык
"""
VOCABULARY = frozenset(word for text in (_FIELDS, _ENGLISH, _RUSSIAN) for word in text.split())
"""Words of a text of the service that are shown."""

HIDDEN = "…"
NO_REASON = "no reason given"
NOT_SHOWN = "a reason that is not shown"
HINT = " (whole text: log level DEBUG)"

_WORD = re.compile(r"""^(["'`«»“”‘’(\[{<]*)(.*?)(["'`«»“”‘’)\]}>]*)([.,:;!?]*)(["'`«»“”‘’)\]}>]*)$""")


# A character in JSON or in the source of a program.
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")


def quoted(text: object, hide: Callable[[str], str] = str) -> str:
    """
    Return a text of the service for errors: its words of :data:`VOCABULARY`, all others left out.

    No transformation of a value, such as a cut, another case or an encoding, makes a secret a word of the
    vocabulary. Numbers are left out, because a phone can be written as several of them.

    :param text: the text
    :param hide: removes the values of the request, which can consist of common words
    """
    if not isinstance(text, str) or not text.strip():
        return NO_REASON
    words = [_shown(word) for word in hide(text[:MAX_READ]).split()]
    kept = [
        word for number, word in enumerate(words) if word != HIDDEN or words[number - 1 : number] != [HIDDEN]
    ]
    if not any(word != HIDDEN for word in kept):
        return NOT_SHOWN + HINT
    line = " ".join(kept).rstrip(".")
    line = line if len(line) <= MAX_QUOTED else line[: line.rindex(" ", 0, MAX_QUOTED)] + f" {HIDDEN}"
    return line + (HINT if HIDDEN in line else "")


def reasons_text(reasons: object) -> str:
    """
    Return an error of the service as one text.

    :param reasons: a text, a list of texts, or an object with the texts for each field
    """
    return "; ".join(dict.fromkeys(_reasons(reasons, MAX_DEPTH)))


def _reasons(reasons: object, depth: int) -> Iterator[str]:
    if isinstance(reasons, str) and reasons.strip():
        yield reasons.strip().rstrip(".")
    elif isinstance(reasons, list) and depth:
        for reason in reasons:
            yield from _reasons(reason, depth - 1)
    elif isinstance(reasons, Mapping) and depth:
        for field, reason in reasons.items():
            # As emails.0, the first of several values.
            name = " ".join(part for part in str(field).split(".") if not part.isdigit())
            for text in _reasons(reason, depth - 1):
                yield f"{name}: {text}"


def repeats(text: str, secret: str) -> bool:
    """
    Return whether a text contains a part of a secret, in any case and with any encoding or separators.

    :param text: the text
    :param secret: the secret; a part has :data:`MIN_REPEATED` letters and digits of it
    """
    plain, wanted = _bare(text), _bare(secret)
    size = min(MIN_REPEATED, len(wanted))
    return size > 0 and any(wanted[start : start + size] in plain for start in range(len(wanted) - size + 1))


def _shown(word: str) -> str:
    found = _WORD.match(word)
    if found is None or _folded(found[2]) not in VOCABULARY:
        return HIDDEN
    return found[2] + found[4]


def _folded(word: str) -> str:
    return word.casefold().replace("’", "'")


def _bare(text: str) -> str:
    """Return the letters and digits of a text, decoded and in lower case."""
    for _ in range(MAX_DECODED):
        decoded = _ESCAPE.sub(
            lambda found: chr(int(found[1] or found[2], 16)), unquote_plus(html.unescape(text))
        )
        if decoded == text:
            break
        text = decoded
    folded = unicodedata.normalize("NFKC", re.sub("<[^<>]*>", "", text)).casefold()
    return "".join(character for character in folded if character.isalnum())
