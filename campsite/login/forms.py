"""What is asked at a log-in beside the password."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import SetPasswordForm
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

AS_CODE = {"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}


class CodeForm(forms.Form):
    """A code of the telephone or, where `takes_paper`, a recovery code. `is_all`: nothing else is on the page."""

    code = forms.CharField(label=_("Code"), max_length=20, widget=UnfoldAdminTextInputWidget(attrs=AS_CODE))

    def __init__(self, *args: Any, takes_paper: bool = True, is_all: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = is_all
        if not takes_paper:
            self.fields["code"].widget.attrs["inputmode"] = "numeric"


class OwnPasswordForm(SetPasswordForm):
    """The first password that somebody chooses himself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("new_password1", "new_password2"):
            attrs = self.fields[name].widget.attrs
            self.fields[name].widget = UnfoldAdminPasswordWidget(attrs=attrs)

    def clean_new_password1(self) -> str:
        password: str = self.cleaned_data["new_password1"]
        if self.user.check_password(password):
            raise forms.ValidationError(_("This is the one that you were given. Choose your own."), "the_same")
        return password
