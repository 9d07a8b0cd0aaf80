"""The pages of the sample: the files of texts/, dressed as web pages.

A text file holds the pages of one language. A line `@ KIND URL` begins a page; then come blocks, parted by blank
lines: `# title`, `## heading`, `- item` lists, `1. item` lists, and paragraphs, whose line breaks are kept.
"""

import html
import pathlib
import re
from dataclasses import dataclass

FOLDER = pathlib.Path(__file__).parent / "texts"

# What surrounds every text, by language: navigation, cookie notice with its button, and footer.
FURNITURE = {
    "de": (
        ["Startseite", "Themen", "Archiv", "Über uns", "Kontakt"],
        ("Diese Website verwendet Cookies. Mehr dazu in der Datenschutzerklärung.", "Einverstanden"),
        "Impressum · Datenschutz · Alle Rechte vorbehalten",
    ),
    "en": (
        ["Home", "Topics", "Archive", "About", "Contact"],
        ("We use cookies to improve your visit. Read our privacy policy.", "Accept all"),
        "Terms of use · Privacy · All rights reserved",
    ),
    "es": (
        ["Inicio", "Temas", "Archivo", "Quiénes somos", "Contacto"],
        ("Utilizamos cookies propias y de terceros. Consulte nuestra política de privacidad.", "Aceptar"),
        "Aviso legal · Privacidad · Todos los derechos reservados",
    ),
    "fr": (
        ["Accueil", "Rubriques", "Archives", "À propos", "Contact"],
        ("Ce site utilise des cookies. Consultez notre politique de confidentialité.", "Tout accepter"),
        "Mentions légales · Confidentialité · Tous droits réservés",
    ),
    "it": (
        ["Home", "Argomenti", "Archivio", "Chi siamo", "Contatti"],
        ("Questo sito utilizza i cookie. Leggi l'informativa sulla privacy.", "Accetto"),
        "Note legali · Privacy · Tutti i diritti riservati",
    ),
    "ja": (
        ["ホーム", "カテゴリー", "過去の記事", "このサイトについて", "お問い合わせ"],
        ("当サイトではクッキーを使用しています。詳しくはプライバシーポリシーをご覧ください。", "同意する"),
        "利用規約 · プライバシー · 無断転載を禁じます",
    ),
    "nl": (
        ["Home", "Onderwerpen", "Archief", "Over ons", "Contact"],
        ("Deze website gebruikt cookies. Lees ons privacybeleid.", "Akkoord"),
        "Voorwaarden · Privacy · Alle rechten voorbehouden",
    ),
    "pl": (
        ["Strona główna", "Tematy", "Archiwum", "O nas", "Kontakt"],
        ("Ta strona używa plików cookie. Zobacz politykę prywatności.", "Zgadzam się"),
        "Regulamin · Prywatność · Wszelkie prawa zastrzeżone",
    ),
    "pt": (
        ["Início", "Temas", "Arquivo", "Sobre nós", "Contacto"],
        ("Este site utiliza cookies. Leia a nossa política de privacidade.", "Aceitar"),
        "Termos de utilização · Privacidade · Todos os direitos reservados",
    ),
    "ru": (
        ["Главная", "Рубрики", "Архив", "О нас", "Контакты"],
        ("Мы используем файлы cookie. Подробнее в политике конфиденциальности.", "Принять"),
        "Условия использования · Конфиденциальность · Все права защищены",
    ),
}


@dataclass(frozen=True)
class Page:
    """A text and where it is found."""

    language: str
    kind: str
    url: str
    blocks: tuple[str, ...]

    @property
    def is_recipe(self):
        return self.kind == "recipe"

    @property
    def title(self):
        return self.blocks[0].removeprefix("# ")

    def text(self):
        """The text alone, a block or list item a line, without marks."""
        lines = [line for block in self.blocks for line in block.split("\n")]
        return "\n".join(re.sub(r"^(#+|-|\d+\.) ", "", line) for line in lines)

    def html(self, related, meta_charset="", old_fashioned=False):
        """The page with its furniture. `related` is a list of other pages; `old_fashioned` builds it of tables."""
        navigation, (notice, button), footer = FURNITURE[self.language]
        label = f'<meta charset="{meta_charset}">\n' if meta_charset else ""
        if meta_charset and old_fashioned:
            label = f'<meta http-equiv="Content-Type" content="text/html; charset={meta_charset}">\n'
        layout = _tables if old_fashioned else _sections
        body = layout(
            [f'<a href="/{number}">{html.escape(name)}</a>' for number, name in enumerate(navigation)],
            f"<p>{html.escape(notice)}</p> <button>{html.escape(button)}</button>",
            "\n".join(_block(block) for block in self.blocks),
            [f'<a href="{page.url}">{html.escape(page.title)}</a>' for page in related],
            html.escape(footer),
        )
        return (
            f'<!DOCTYPE html>\n<html lang="{self.language}">\n<head>\n{label}<title>{html.escape(self.title)}</title>\n'
            "<style>body { font: 1em/1.5 serif; max-width: 44em; margin: auto }</style>\n"
            f'<script>document.documentElement.className = "js";</script>\n</head>\n<body>\n{body}\n</body>\n</html>\n'
        )


def load():
    """Every page, by language and then in the order of its file."""
    pages = []
    for file in sorted(FOLDER.glob("*.txt")):
        for part in re.split(r"^@ ", file.read_text("utf-8"), flags=re.MULTILINE)[1:]:
            head, _, rest = part.partition("\n")
            kind, url = head.split()
            # A heading is a block of its own, with or without a blank line behind it.
            rest = re.sub(r"^(#+ .*)$", r"\1\n", rest, flags=re.MULTILINE)
            blocks = tuple(block.strip() for block in re.split(r"\n{2,}", rest) if block.strip())
            pages.append(Page(file.stem, kind, url, blocks))
    return pages


def _block(block):
    lines = [html.escape(line, quote=False) for line in block.split("\n")]
    if lines[0].startswith("# "):
        return f"<h1>{lines[0][2:]}</h1>"
    if lines[0].startswith("## "):
        return f"<h2>{lines[0][3:]}</h2>"
    if lines[0].startswith("- "):
        return _items("ul", lines)
    if lines[0].startswith("1. "):
        return _items("ol", lines)
    return "<p>" + "<br>\n".join(lines) + "</p>"


def _items(tag, lines):
    items = "\n".join(f"<li>{line.split(' ', 1)[1]}</li>" for line in lines)
    return f"<{tag}>\n{items}\n</{tag}>"


def _sections(navigation, notice, article, related, footer):
    entries = "".join(f"<li>{link}</li>" for link in navigation)
    others = "".join(f"<li>{link}</li>" for link in related)
    return (
        f'<header><nav><ul>{entries}</ul></nav></header>\n<div class="cookie-notice" role="dialog">{notice}</div>\n'
        f"<main><article>\n{article}\n</article></main>\n"
        f'<aside class="related"><ul>{others}</ul></aside>\n<footer><p>{footer}</p></footer>'
    )


def _tables(navigation, notice, article, related, footer):
    others = "<br>".join(related)
    return (
        f'<table width="100%"><tr><td colspan="2" class="menu">{" | ".join(navigation)}</td></tr>\n'
        f'<tr><td class="sidebar" width="160">{others}</td>\n<td class="content">\n{article}\n</td></tr>\n'
        f'<tr><td colspan="2" class="footer">{footer}</td></tr></table>\n<div id="cookie-banner">{notice}</div>'
    )
