"""How long WeCom waits and how often it asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """WeCom's own times, in seconds."""

    answer_s: float = 5
    verify_s: float = 1
    retry_after_s: float = 5
    retries: int = 3
    poll_every_s: float = 1
    stream_life_s: float = 360
    response_url_life_s: float = 3600
    media_life_s: float = 300
    ack_s: float = 0.002  # the way of an answer on the long connection
    req_id_life_s: float = 86_400
    upload_life_s: float = 1800
    uploaded_life_s: float = 259_200
