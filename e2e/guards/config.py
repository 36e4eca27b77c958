"""Guards for the Guardrails AI server: one that objects, one that raises, one that mends."""

import re
from guardrails import Guard, OnFailAction
from guardrails.validators import (FailResult, PassResult, Validator, register_validator)

@register_validator(name="test/no-bluebird", data_type="string")
class NoBluebird(Validator):
    def validate(self, value, metadata):
        if "bluebird" in value:
            return FailResult(error_message="it says " + value)
        return PassResult()

@register_validator(name="test/no-numbers", data_type="string")
class NoNumbers(Validator):
    def validate(self, value, metadata):
        fixed = re.sub(r"[0-9]{3,}", "***", value)
        if fixed != value:
            return FailResult(error_message="numbers in " + value, fix_value=fixed)
        return PassResult()

noop = Guard(id="noop", name="noop")
noop.use(NoBluebird(on_fail=OnFailAction.NOOP))
raises = Guard(id="raises", name="raises")
raises.use(NoBluebird(on_fail=OnFailAction.EXCEPTION))
fixes = Guard(id="fixes", name="fixes")
fixes.use(NoNumbers(on_fail=OnFailAction.FIX))
