"""One declaration for each operation: who may use it, what it reads and answers, what can go wrong.

The view gets a `Call` and returns what the answer schema dumps. Everything around it is here, in
one order for all: clock, caller, query, media type, body, unit of work, view, answer. The same
declaration writes the contract (`spec`), so what is documented is what runs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from flask import Response
from marshmallow import Schema
from sqlalchemy.orm import Session

from carbon_credit.api import body, idempotency
from carbon_credit.api.auth import Access, Caller, authenticate
from carbon_credit.api.errors import oauth_response
from carbon_credit.api.runtime import Runtime, runtime
from carbon_credit.kernel import clock
from carbon_credit.kernel.errors import CarbonError
from carbon_credit.kernel.unit_of_work import transact, unit_of_work


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a view sees it. `body` and `query`: what their schemas loaded."""

    opened: Session | None
    now: datetime
    runtime: Runtime
    known: Caller | None
    body: Any
    query: Any

    @property
    def session(self) -> Session:
        """The unit of work of this request."""
        if self.opened is None:
            raise LookupError("this route declared that it needs no database")
        return self.opened

    @property
    def caller(self) -> Caller:
        """Who is asking; only routes that are for everybody have none."""
        if self.known is None:
            raise LookupError("a public route has no caller")
        return self.known


View: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """A view and its declaration.

    `access` None: for everybody. `content`: for a body that the view reads itself, its media types as
    OpenAPI describes them.
    `downloads`: media types of an answer that is a file. `keyed`: takes an Idempotency-Key.
    `raises`: the errors of its own, beside those that follow from the rest. `oauth`: statuses of
    RFC 6749. `plain`: the view answers with JSON-able values already, for bulk. `own_units`: the view opens
    units of work itself. `accepts`: it may also answer 202, in full, with where to look later.
    `bare`: the body may be left out, for one without members. `refused`: what is to be kept of a refusal, in
    a unit of work of its own after that of the request was taken back.
    """

    view: View
    writes: bool
    access: Access | None
    body: Schema | None
    form: Schema | None
    content: Mapping[str, Any]
    query: Schema | None
    answer: Schema | None
    status: int
    downloads: tuple[str, ...]
    raises: tuple[type[CarbonError], ...]
    keyed: bool
    plain: bool
    uses_database: bool
    oauth: bool
    own_units: bool = False
    accepts: bool = False
    bare: bool = False
    refused: Callable[[Call, CarbonError], None] | None = None

    @property
    def name(self) -> str:
        """The operation id."""
        return self.view.__name__

    def __call__(self, **path: Any) -> Response:
        """Serve the current request."""
        if not self.oauth:
            return self._serve(path)
        try:
            return self._serve(path)
        except CarbonError as error:
            return oauth_response(error)

    def _serve(self, path: dict[str, Any]) -> Response:
        now = clock.now()
        held = runtime()
        caller = None if self.access is None else authenticate(held, self.access, now=now)
        query = None if self.query is None else body.load_query(self.query)
        loaded = self._load_body()

        def deed(session: Session) -> Any:
            return self.view(Call(session, now, held, caller, loaded, query), **path)

        if not self.uses_database or self.own_units:
            return self._response(self.view(Call(None, now, held, caller, loaded, query), **path))
        try:
            if not self.writes:
                with unit_of_work(held.database, read_only=True) as session:
                    return self._response(deed(session))
            key = idempotency.key_of_request() if self.keyed else None
            if key is None or caller is None:
                return transact(held.database, lambda session: self._response(deed(session)))
            return transact(held.database, lambda session: self._once(session, caller, key, now, deed))
        except CarbonError as error:
            keep, told = self.refused, error
            if keep is not None:
                call = Call(None, now, held, caller, loaded, query)
                transact(held.database, lambda session: keep(replace(call, opened=session), told))
            raise

    def _load_body(self) -> Any:
        if self.body is not None:
            return body.load_json(self.body) if not self.bare or body.comes() else self.body.load({})
        if self.form is not None:
            return body.load_form(self.form)
        if self.content:
            body.require_media_type(*self.content)
            return body.body_bytes()
        return None

    def _once(
        self, session: Session, caller: Caller, key: str, now: datetime, deed: Callable[[Session], Any]
    ) -> Response:
        answer = idempotency.once(
            session, caller=caller, key=key, now=now, deed=lambda: (self.status, self._dump(deed(session)))
        )
        response = Response(answer.body, status=answer.status, mimetype=body.JSON)
        if answer.replayed:
            response.headers[idempotency.REPLAYED] = "true"
        return response

    def _response(self, result: Any) -> Response:
        if isinstance(result, Response):
            return result
        return Response(self._dump(result), status=self.status, mimetype=body.JSON)

    def _dump(self, result: Any) -> bytes:
        shown = result if self.plain or self.answer is None else self.answer.dump(result)
        return orjson.dumps(shown, option=orjson.OPT_UTC_Z)


def reads(
    *,
    answer: type[Schema] | None,
    allowed: Access | None = None,
    query: type[Schema] | None = None,
    takes: type[Schema] | None = None,
    form: type[Schema] | None = None,
    downloads: tuple[str, ...] = (),
    raises: tuple[type[CarbonError], ...] = (),
    uses_database: bool = True,
    oauth: bool = False,
    refused: Callable[[Call, CarbonError], None] | None = None,
) -> Callable[[View], Operation]:
    """Declare a view that only reads. `takes`: a question that is too much for a query string."""

    def declare(view: View) -> Operation:
        return Operation(
            view=view,
            writes=False,
            access=allowed,
            body=takes() if takes else None,
            form=form() if form else None,
            content={},
            query=query() if query else None,
            answer=answer() if answer else None,
            status=200,
            downloads=downloads,
            raises=raises,
            keyed=False,
            plain=False,
            uses_database=uses_database,
            oauth=oauth,
            refused=refused,
        )

    return declare


def writes(
    *,
    answer: type[Schema],
    allowed: Access | None = None,
    takes: type[Schema] | None = None,
    content: Mapping[str, Any] | None = None,
    query: type[Schema] | None = None,
    status: int = 200,
    raises: tuple[type[CarbonError], ...] = (),
    keyed: bool = True,
    plain: bool = False,
    own_units: bool = False,
    accepts: bool = False,
    bare: bool = False,
    refused: Callable[[Call, CarbonError], None] | None = None,
) -> Callable[[View], Operation]:
    """Declare a view that changes something, in one transaction; in `own_units` where it says so."""

    def declare(view: View) -> Operation:
        return Operation(
            view=view,
            writes=True,
            access=allowed,
            body=takes() if takes else None,
            form=None,
            content=content or {},
            query=query() if query else None,
            answer=answer(),
            status=status,
            downloads=(),
            raises=raises,
            keyed=keyed and allowed is not None,
            plain=plain,
            uses_database=True,
            oauth=False,
            own_units=own_units,
            accepts=accepts,
            bare=bare,
            refused=refused,
        )

    return declare
