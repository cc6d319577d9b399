"""Why a plan is as it is: time by part, slack, runners-up, prices and sensitivities."""
