-- Nothing but the start of every answer: how often intents and marks have gone away.

return answer()
