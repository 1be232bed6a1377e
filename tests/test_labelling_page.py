"""The page in a real browser: whole sessions by keyboard, mouse and finger, and what goes wrong on the way.

Screenshots of each viewport are kept where the environment variable SEMSIM_SCREENSHOTS names a folder.
"""

import os
import shutil
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from label_campaign import CLASSES, change_settings, served, small_campaign
from PIL import Image
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from semsim.labelling.results import export, read_answers
from semsim.labelling.store import Store

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
VIEWPORTS = {"desktop": (1280, 800), "phone": (390, 844)}

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs a browser: install chromium and chromedriver (Debian: chromium-driver)"
)


@contextmanager
def browsing(viewport):
    """Open a browser of a viewport; at the end there must be nothing on its console."""
    width, height = VIEWPORTS[viewport]
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--window-size={width},{height}"):
        options.add_argument(flag)
    if viewport == "phone":
        metrics = {"width": width, "height": height, "pixelRatio": 2, "touch": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    driver = webdriver.Chrome(options, Service(DRIVER))
    try:
        yield Page(driver, viewport)
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def desktop():
    """One browser for all tests on a desktop: it takes a second to start."""
    with browsing("desktop") as page:
        yield page


@pytest.fixture(scope="module")
def phone():
    with browsing("phone") as page:
        yield page


@pytest.fixture
def campaign(tmp_path):
    return small_campaign(tmp_path, images_per_annotator=5)


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A campaign and the address of its server, which the tests share under a name each."""
    campaign = small_campaign(tmp_path_factory.mktemp("running"), images_per_annotator=5)
    with served(campaign) as (_, address):
        yield campaign, address


class Page:
    """What a person sees and does."""

    def __init__(self, driver, viewport):
        self.driver, self.viewport = driver, viewport

    def __getitem__(self, name):
        return self.driver.find_element(By.ID, name)

    def wait(self, condition, seconds=30):
        old = [StaleElementReferenceException]  # a page that is just being left
        return WebDriverWait(self.driver, seconds, 0.02, old).until(lambda _: condition())

    def see(self, name):
        """Wait until something is in sight."""
        self.wait(lambda: self[name].is_displayed())

    def shoot(self, name):
        if folder := os.environ.get("SEMSIM_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.driver.save_screenshot(str(Path(folder) / f"{self.viewport}-{name}.png"))

    def begin(self, address, name="ann"):
        """Join and agree; return the link."""
        self.driver.get(f"{address}/")
        self.see("join")
        self.shoot("1-join")
        self["name"].send_keys(name, Keys.ENTER)
        self.see("consent")
        self.shoot("2-consent")
        self["agree"].click()
        self.at(1)
        return self.driver.current_url

    def at(self, number):
        """Wait until a picture is there to be answered, and for as long as a double click would take."""
        self.wait(lambda: self["count"].text.startswith(f"{number} of") and self.ready())
        time.sleep(0.3)

    def ready(self):
        return "waiting" not in self["image"].get_attribute("class")

    def total(self):
        return int(self["count"].text.split()[-1])

    def classes(self):
        return [node.text for node in self.driver.find_elements(By.CSS_SELECTOR, "#classes li:not([hidden])")]

    def choose(self, name):
        [node] = [node for node in self.driver.find_elements(By.CSS_SELECTOR, "#classes li") if node.text == name]
        node.click()

    def picture_size(self):
        """Return the sides of the picture in the screen's own pixels."""
        return self.driver.execute_script(
            "const box = document.getElementById('image').getBoundingClientRect();"
            "return [box.width * devicePixelRatio, box.height * devicePixelRatio]"
        )

    def addresses(self):
        """Return what was loaded since the page was opened."""
        return self.driver.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")

    def console(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]


def answers(campaign, name="ann"):
    items, _ = read_answers(campaign)
    return items[items["label"].notna() & (items["annotator"] == name)]


def test_a_session_by_keyboard(running, desktop):
    campaign, address = running
    desktop.begin(address, "keys")
    desktop.shoot("3-work")
    total = desktop.total()
    assert desktop.driver.switch_to.active_element == desktop["search"]
    width, height = desktop.picture_size()
    assert width == height >= 200 and width % 8 == 0  # 8 pixels, enlarged by a whole number
    first = desktop.classes()
    keys = desktop["search"]

    keys.send_keys("c" if "cross" in first else "1")  # finds, and offers the closest
    assert desktop.classes() == (["disc", "cross", "ice cream"] if "cross" in first else ["1"])
    chosen = desktop.driver.find_element(By.CSS_SELECTOR, "[aria-selected=true]")
    assert chosen.text in ("cross", "1") and keys.get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    desktop.shoot("4-search")
    keys.send_keys(Keys.ENTER)
    desktop.at(2)
    keys.send_keys("#")
    assert desktop["smooth"].get_attribute("aria-pressed") == "true"
    assert desktop["image"].value_of_css_property("image-rendering") == "auto"
    keys.send_keys("#")
    assert desktop["image"].value_of_css_property("image-rendering") == "pixelated"
    keys.send_keys("?")
    desktop.at(3)
    keys.send_keys(Keys.CONTROL, "z")
    desktop.at(2)
    keys.send_keys("zzz", Keys.ENTER)  # no such class: nothing to answer
    assert desktop["none"].is_displayed()
    keys.send_keys(Keys.ESCAPE, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ENTER)
    for number in range(3, total + 1):
        desktop.at(number)
        keys.send_keys("?")
    desktop.see("done")
    desktop.shoot("5-done")
    labels = answers(campaign, "keys")["label"].tolist()
    assert labels == [first.index("cross" if "cross" in first else "1"), 1] + [-1] * (total - 2)
    assert (answers(campaign, "keys")["seconds"].between(0.1, 20)).all()
    assert desktop.console() == []
    assert len(desktop.addresses()) > 8
    assert all(one.startswith(f"{address}/") for one in desktop.addresses())


def test_a_session_by_finger_on_a_phone(running, phone):
    campaign, address = running
    phone.begin(address, "finger")
    phone.shoot("3-work")
    assert phone.driver.switch_to.active_element != phone["search"]  # no keyboard over the picture
    assert phone.driver.execute_script("return document.documentElement.scrollWidth") == VIEWPORTS["phone"][0]
    width, height = phone.picture_size()
    assert width == height >= 200 and width % 8 == 0
    for name in ("undo", "cannot", "search", "smooth", "help"):
        assert phone[name].size["height"] >= 44, name
        below = phone[name].location["y"] + phone[name].size["height"]
        assert below <= VIEWPORTS["phone"][1], name
    phone["smooth"].click()
    phone.shoot("4-smooth")
    phone["smooth"].click()
    phone["help"].click()
    phone.shoot("5-help")
    phone.driver.find_element(By.CSS_SELECTOR, "dialog button").click()
    total, names = phone.total(), []
    for number in range(1, total + 1):
        phone.at(number)
        names.append(phone.classes()[2])
        phone.choose(names[-1])
        if number == 2:
            phone.at(3)
            phone["undo"].click()
            phone.at(2)
            phone.choose(names[-1])
    phone.see("done")
    phone.shoot("6-done")
    phone["undo-last"].click()
    phone.at(total)
    phone["cannot"].click()
    phone.see("done")
    assert answers(campaign, "finger")["label"].tolist() == [2] * (total - 1) + [-1]
    assert phone.console() == []


def test_a_double_click_answers_once(running, desktop):
    campaign, address = running
    desktop.begin(address, "double")
    ActionChains(desktop.driver).double_click(desktop["cannot"]).perform()
    desktop.at(2)
    for _ in range(2):  # as two clicks, the second as soon as the next picture is there
        desktop["cannot"].click()
    desktop.at(3)
    assert len(answers(campaign, "double")) == 2


def test_a_reload_goes_on_at_the_same_picture(running, desktop):
    campaign, address = running
    desktop.begin(address, "reload")
    desktop["cannot"].click()
    desktop.at(2)
    desktop.driver.refresh()
    desktop.at(2)
    assert len(answers(campaign, "reload")) == 1


def test_two_tabs_give_one_answer_to_each_picture(running, desktop):
    campaign, address = running
    link = desktop.begin(address, "tabs")
    first = desktop.driver.current_window_handle
    desktop.driver.switch_to.new_window("tab")
    desktop.driver.get(link)
    desktop.at(1)
    desktop["cannot"].click()
    desktop.at(2)
    desktop.driver.close()
    desktop.driver.switch_to.window(first)
    if desktop["count"].text.startswith("1 of") and desktop.ready():  # the tab has not looked yet: it will be told
        desktop.choose(desktop.classes()[0])
    desktop.at(2)
    assert answers(campaign, "tabs")["label"].tolist() == [-1]


def test_a_killed_server_loses_no_answer_and_the_page_goes_on_by_itself(campaign, desktop):
    with served(campaign) as (process, address):
        desktop.begin(address)
        desktop["cannot"].click()
        desktop.at(2)
        process.kill()
        process.wait()
        name = desktop.classes()[1]
        desktop.choose(name)
        desktop.see("note")
        assert "kept here and will be sent again" in desktop["note"].text
        desktop.shoot("6-no-connection")
        assert len(answers(campaign)) == 1
    with served(campaign, port=int(address.rsplit(":", 1)[1])):
        desktop.at(3)
        assert not desktop["note"].is_displayed()
        assert answers(campaign)["label"].tolist() == [-1, 1]
    desktop.console()  # it tells of the lost connection, as it should


def test_an_answer_that_was_on_its_way_outlives_a_reload(campaign, desktop):
    with served(campaign) as (process, address):
        link = desktop.begin(address)
        process.kill()
        process.wait()
        desktop.choose(desktop.classes()[1])
        desktop.see("note")
        desktop.driver.get("data:text/html,elsewhere")
    with served(campaign, port=int(address.rsplit(":", 1)[1])):
        desktop.driver.get(link)
        desktop.at(2)
        assert answers(campaign)["label"].tolist() == [1]
    desktop.console()


def test_a_participant_who_was_forgotten_is_asked_again_and_sees_what_is_asked(campaign, desktop):
    campaign = change_settings(campaign, "panel: null", "panel: {parameter: workerId}")
    with served(campaign, "--public") as (_, address), closing(Store(campaign)) as store:
        token = store.admit("A1B2C3")
        desktop.driver.get(f"{address}/a/{token}/")
        desktop.see("consent")
        desktop["agree"].click()
        desktop.at(1)
        with store.transaction():  # the pictures are another's now, so that this one will get others
            store._database.execute("UPDATE annotators SET name = 'ben', participant = NULL, active_at = consented_at")
        desktop["cannot"].click()
        desktop.see("consent")
        desktop["agree"].click()
        desktop.at(1)
        earlier, first = store.items().query("position == 0")["image"]
        assert first != earlier
        shown = desktop.driver.execute_script(
            "const canvas = document.createElement('canvas').getContext('2d');"
            "canvas.drawImage(document.getElementById('image'), 0, 0); return [...canvas.getImageData(0, 0, 1, 1).data]"
        )
        with Image.open(campaign.path_of(first)) as image:
            assert tuple(shown[:3]) == image.getpixel((0, 0))
    desktop.console()  # it tells of the conflict, as it should


def test_a_panels_participant_comes_by_one_link_and_leaves_with_a_code(campaign, desktop):
    panel = "{parameter: workerId, completion_url: 'https://panel.example.org/done'}"
    campaign = change_settings(campaign, "panel: null", f"panel: {panel}")
    with served(campaign, "--public") as (process, address):
        process.stdout.readline()
        link = process.stdout.readline().split(": ")[1].strip().replace("=ID", "=A1B2C3")
        desktop.driver.get(link)
        desktop.see("consent")
        desktop["agree"].click()
        desktop.at(1)
        total = desktop.total()
        for number in range(1, total + 1):
            desktop.at(number)
            desktop["cannot"].click()
        desktop.see("done")
        desktop.shoot("7-code")
        assert desktop["code"].text == read_answers(campaign)[1]["code"].item()
        assert desktop["back-link"].get_attribute("href") == "https://panel.example.org/done"
        desktop.driver.get(f"{address}/")
        assert "You need your own link" in desktop.driver.page_source
        desktop.shoot("8-no-link")
    assert Counter(export(campaign)[0]["label"]) == {-1: 5}


def test_a_screen_reader_is_told_what_there_is(running, desktop):
    campaign, address = running
    desktop.begin(address, "reader")
    tree = desktop.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    roles = Counter(role for role, _ in named)
    assert ("combobox", "What is in this picture?") in named and ("listbox", "Classes") in named
    assert {name for role, name in named if role == "option"} <= {
        name.replace("_", " ") for names in CLASSES.values() for name in names
    }
    assert any(role == "button" and name.startswith("Can’t tell") for role, name in named)
    assert any(role == "image" and "naming it is the task" in name for role, name in named)
    assert roles["progressbar"] == 1 and not [name for role, name in named if role in ("button", "image") and not name]
    assert desktop["spoken"].get_attribute("textContent").strip() == f"Picture 1 of {desktop.total()}."
    desktop["cannot"].click()
    desktop.at(2)
    assert desktop["spoken"].get_attribute("textContent").startswith("Answered: can't tell. Picture 2 of")
